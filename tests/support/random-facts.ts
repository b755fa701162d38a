/** Random facts: few subjects, predicates and values, so that what is told next often meets what was told. */
import fc from 'fast-check'

export const randomFact = fc.record({
  subject: fc.constantFrom('ada', 'bob'),
  predicate: fc.constantFrom('lives_in', 'likes', 'owns'),
  value: fc.constantFrom('tea', 'rome', 'ships', 'gold'),
  functional: fc.boolean(),
})
