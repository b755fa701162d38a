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

/** Terms that something carries, of each list. */
export type Terms = { readonly [N in TaxonomyName]?: readonly string[] }

export const TAXONOMIES = ['segments', 'categories', 'tags'] as const

/** `given` over `before`, checked: names once each, parents known. Throws `INPUT_INVALID`. */
export function taxonomyFrom(
  before: Taxonomy,
  given: { readonly [N in TaxonomyName]?: readonly (string | Term)[] },
): Taxonomy {
  const made = Object.fromEntries(
    TAXONOMIES.map((name) => [
      name,
      given[name]?.map((term) => (typeof term === 'string' ? { name: term } : term)) ?? before[name],
    ]),
  ) as Taxonomy
  for (const name of TAXONOMIES) {
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

/** The same for all that something carries. */
export function assertAllTerms(taxonomy: Taxonomy, what: string, terms: Terms, before: readonly Terms[] = []): void {
  for (const name of TAXONOMIES)
    assertTerms(
      taxonomy,
      name,
      what,
      [...(terms[name] ?? [])],
      before.flatMap((one) => one[name] ?? []),
    )
}

/** Each once, in one order; undefined where there are none. */
export function termsFrom(given: { readonly [N in TaxonomyName]?: readonly string[] | undefined }): Terms | undefined {
  const lists = TAXONOMIES.flatMap((name) => {
    const terms = [...new Set(given[name] ?? [])].sort()
    return terms.length === 0 ? [] : [[name, terms] as const]
  })
  return lists.length === 0 ? undefined : Object.fromEntries(lists)
}

/** Without those that are not in use here. */
export function inUse(taxonomy: Taxonomy, terms: Terms): Terms | undefined {
  const known = (name: TaxonomyName): Set<string> =>
    new Set(taxonomy[name].flatMap((term) => (term.retired === true ? [] : [term.name])))
  return termsFrom(
    Object.fromEntries(TAXONOMIES.map((name) => [name, (terms[name] ?? []).filter((term) => known(name).has(term))])),
  )
}

/** Throws `INPUT_INVALID` where these are not lists of terms by their names. */
export function assertLists(terms: Terms): void {
  const isList = (one: unknown): boolean => Array.isArray(one) && one.every((term) => typeof term === 'string')
  const wrong = Object.entries(terms).find(([name, list]) => !TAXONOMIES.includes(name as never) || !isList(list))
  if (wrong === undefined) return
  throw new KeelsonError('INPUT_INVALID', `${JSON.stringify(wrong[0])} is no list of terms`, {
    hint: `Write lists of terms under ${TAXONOMIES.join(', ')}, as in { tags: ['news'] }.`,
  })
}

/** Does it carry each of these? */
export function carries(terms: Terms = {}, wanted: Terms): boolean {
  return TAXONOMIES.every((name) => (wanted[name] ?? []).every((term) => terms[name]?.includes(term) === true))
}

function bad(what: string): KeelsonError {
  return new KeelsonError('INPUT_INVALID', `the taxonomy is not sound: ${what}`, { hint: 'Nothing was changed.' })
}
