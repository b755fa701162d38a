/** Taxonomy: the words by which a company sorts: segments, categories and tags, shared by all that sorts. */
import { KeelsonError } from '../base/errors.ts'
import type { Json } from '../base/value.ts'

export type TaxonomyName = 'segments' | 'categories' | 'tags'

export interface Term {
  readonly name: string
  readonly label?: string
  /** The term above it. */
  readonly parent?: string
  /** Kept for what carries it; nothing new may. */
  readonly retired?: boolean
}

export type Taxonomy = { readonly [N in TaxonomyName]: readonly Term[] }

export const EMPTY_TAXONOMY: Taxonomy = { segments: [], categories: [], tags: [] }

const NAMES = ['segments', 'categories', 'tags'] as const

/** `given` over `before`, checked: names once each, parents known. Throws `INPUT_INVALID`. */
export function taxonomyFrom(
  before: Taxonomy,
  given: { readonly [N in TaxonomyName]?: readonly (string | Term)[] },
): Taxonomy {
  const made = Object.fromEntries(
    NAMES.map((name) => [
      name,
      given[name]?.map((term) => (typeof term === 'string' ? { name: term } : term)) ?? before[name],
    ]),
  ) as Taxonomy
  for (const name of NAMES) {
    const names = made[name].map((term) => term.name)
    const twice = names.find((one, at) => one === '' || names.indexOf(one) !== at)
    const orphan = made[name].find(({ parent }) => parent !== undefined && !names.includes(parent))
    if (twice !== undefined) throw bad(`${name} has "${twice}" twice or without a name`)
    if (orphan !== undefined) throw bad(`${name} puts "${orphan.name}" under "${orphan.parent}", which is unknown`)
  }
  return made
}

/** Throws `TAXONOMY_UNKNOWN` when a value (or one of a list) is no term in use. `before` may stay, retired or not. */
export function assertTerms(taxonomy: Taxonomy, name: TaxonomyName, what: string, value: Json, before: Json): void {
  const kept = new Set([before].flat())
  const known = new Set(taxonomy[name].filter((term) => term.retired !== true).map((term) => term.name))
  for (const one of [value ?? []].flat()) {
    if (known.has(one as string) || kept.has(one)) continue
    throw new KeelsonError('TAXONOMY_UNKNOWN', `${what} says ${JSON.stringify(one)}, which is not among the ${name}`, {
      hint: `Known are ${[...known].join(', ') || 'none'}; add it with taxonomy.set().`,
      data: { taxonomy: name },
    })
  }
}

function bad(what: string): KeelsonError {
  return new KeelsonError('INPUT_INVALID', `the taxonomy is not sound: ${what}`, { hint: 'Nothing was changed.' })
}
