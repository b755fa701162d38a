/** Labels: what is known of where a value comes from: `untrusted` (an outsider may have written it), `private`; each with its sources. */

export type Label = 'untrusted' | 'private'

/** Label → the sources that brought it, in words. */
export type Labels = { readonly [L in Label]?: readonly string[] }

export const NO_LABELS: Labels = Object.freeze({})

/** Sources that are kept of each label: enough to explain it. */
const SOURCES_MAX = 8
const ALL: readonly Label[] = ['untrusted', 'private']

/** Labels as a definition declares them, brought by `source`. */
export function labelled(labels: readonly Label[], source: string): Labels {
  return labels.length === 0 ? NO_LABELS : Object.fromEntries(labels.map((label) => [label, [source]]))
}

/** All labels of all, with their sources. */
export function joinLabels(...given: readonly (Labels | undefined)[]): Labels {
  const some = given.filter((one) => one !== undefined && !isUnlabelled(one))
  if (some.length <= 1) return some[0] ?? NO_LABELS
  const joined = ALL.flatMap((label) => {
    const sources = new Set(some.flatMap((one) => one![label] ?? []))
    return sources.size === 0 ? [] : [[label, [...sources].slice(0, SOURCES_MAX)] as const]
  })
  return Object.fromEntries(joined)
}

/** What is left when a value has passed a schema that cannot carry anybody's words. */
export function withoutUntrusted(labels: Labels): Labels {
  const { untrusted: _dropped, ...rest } = labels
  return rest
}

/** Labels as they come out of where they were kept: the first source and the last place are named. */
export function keptIn(labels: Labels, place: string): Labels {
  const entries = Object.entries(labels).map(([label, sources]) => [
    label,
    [...new Set(sources.map((source) => `${source.replace(/ via [^]*$/, '')} via ${place}`))],
  ])
  return entries.length === 0 ? NO_LABELS : (Object.fromEntries(entries) as Labels)
}

export function isUnlabelled(labels: Labels): boolean {
  return labels.untrusted === undefined && labels.private === undefined
}

export function labelNames(labels: Labels): readonly Label[] {
  return ALL.filter((label) => labels[label] !== undefined)
}

/** Throws nothing: undefined for what is no list of labels. */
export function parseLabels(value: unknown): readonly Label[] | undefined {
  if (!Array.isArray(value)) return undefined
  return value.every((one) => ALL.includes(one as Label)) ? [...new Set(value as Label[])] : undefined
}

/** Sources that are named of each, and letters of each source. */
const NAMED_MAX = 3
const LETTERS_MAX = 80

/** 'untrusted (mail.read) and private (crm.read)': each source once, a few of many. Empty where there are none. */
export function labelsText(labels: Labels): string {
  const names = labelNames(labels)
  const brought = new Map(names.map((label) => [label, inWords(labels[label]!)]))
  const sources = new Set(names.flatMap((label) => [...brought.get(label)!]))
  const groups = new Map<string, string[]>(names.length < 2 ? [] : [[names.join(' and '), []]])
  for (const label of names) groups.set(label, [])
  for (const source of sources) {
    const by = names.filter((label) => brought.get(label)!.has(source))
    groups.get(by.join(' and '))!.push(source)
  }
  const said = [...groups].flatMap(([name, of]) => (of.length === 0 ? [] : [`${name} (${fewOf(of)})`]))
  return [said.slice(0, -1).join(', '), said.at(-1)].filter((one) => one !== '').join(' and ')
}

/** Sources as a person is told of them: what is named by itself needs no way that it came as well. */
function inWords(sources: readonly string[]): ReadonlySet<string> {
  const all = new Set(sources)
  return new Set(sources.filter((one) => !one.includes(' via ') || !all.has(one.slice(0, one.indexOf(' via ')))))
}

function fewOf(sources: readonly string[]): string {
  const named = sources
    .slice(0, NAMED_MAX)
    .map((one) => (one.length <= LETTERS_MAX ? one : `${one.slice(0, LETTERS_MAX).toWellFormed()}\u2026`))
  return `${named.join(', ')}${sources.length > NAMED_MAX ? ' and others' : ''}`
}
