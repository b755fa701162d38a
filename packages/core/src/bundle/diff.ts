/** Diff: what differs between two bundles, as people read it: records by their fields, and runs by how they stand. */
import { canonicalAround } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import type { LineOf } from './line.ts'
import { readLines, type BundleSource } from './read.ts'

/** One field of a record; a field that is not there is undefined. */
export interface FieldChange {
  readonly path: string
  readonly before?: Json
  readonly after?: Json
}

export type BundleChange =
  | { readonly what: 'record'; readonly kind: string; readonly id: string; readonly change: 'added' | 'removed' }
  | {
      readonly what: 'record'
      readonly kind: string
      readonly id: string
      readonly change: 'changed'
      readonly fields: readonly FieldChange[]
    }
  | {
      readonly what: 'run'
      readonly id: string
      readonly change: 'added' | 'removed' | 'changed'
      readonly text: string
    }
  | { readonly what: 'schema'; readonly id: string; readonly change: 'added' | 'removed' | 'changed' }

export interface BundleDiff {
  readonly same: boolean
  readonly changes: readonly BundleChange[]
  /** The changes as lines of text, and a last one that counts. */
  readonly report: string
}

/** Compares two whole bundles. Both are checked while they are read. Throws `BUNDLE_INVALID`, `BUNDLE_NEWER`. */
export async function diffBundles(before: BundleSource, after: BundleSource): Promise<BundleDiff> {
  const [a, b] = [await contentsOf(before), await contentsOf(after)]
  const changes: BundleChange[] = []
  for (const key of keys(a.schemas, b.schemas)) {
    const change = changeOf(a.schemas.get(key), b.schemas.get(key))
    if (change !== undefined) changes.push({ what: 'schema', id: key, change })
  }
  for (const key of keys(a.records, b.records)) {
    const [x, y] = [a.records.get(key), b.records.get(key)]
    const { kind, id } = (y ?? x)!
    if (x === undefined || y === undefined) changes.push({ what: 'record', kind, id, change: x ? 'removed' : 'added' })
    else if (!isSame(x.data, y.data))
      changes.push({ what: 'record', kind, id, change: 'changed', fields: fieldsOf(x.data, y.data) })
  }
  for (const key of keys(a.runs, b.runs)) {
    const [x, y] = [a.runs.get(key), b.runs.get(key)]
    const change = changeOf(x && stateOf(x), y && stateOf(y))
    if (change !== undefined) changes.push({ what: 'run', id: key, change, text: stateOf((y ?? x)!) })
  }
  return { same: changes.length === 0, changes, report: reportOf(changes) }
}

interface Contents {
  readonly schemas: Map<string, string>
  readonly records: Map<string, LineOf<'record'>>
  readonly runs: Map<string, LineOf<'run'>>
}

async function contentsOf(source: BundleSource): Promise<Contents> {
  const found: Contents = { schemas: new Map(), records: new Map(), runs: new Map() }
  for await (const line of readLines(source)) {
    if (line.type === 'schema')
      found.schemas.set(`${line.of} ${line.name}@${line.version}`, canonicalAround(line.schema ?? null))
    if (line.type === 'record') found.records.set(`${line.kind}/${line.id}`, line)
    if (line.type === 'run') found.runs.set(line.id, line)
  }
  return found
}

function keys(a: ReadonlyMap<string, unknown>, b: ReadonlyMap<string, unknown>): string[] {
  return [...new Set([...a.keys(), ...b.keys()])].sort()
}

function changeOf(before: string | undefined, after: string | undefined): 'added' | 'removed' | 'changed' | undefined {
  if (before === after) return undefined
  return before === undefined ? 'added' : after === undefined ? 'removed' : 'changed'
}

function stateOf({ playbook, version, settled }: LineOf<'run'>): string {
  const state = settled === undefined ? 'open' : (JSON.parse(settled.status) as { state: string }).state
  return `${playbook}@${version} ${state}`
}

function isSame(a: Json | undefined, b: Json | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return canonicalAround(a) === canonicalAround(b)
}

/** The leaves that differ; lists are compared whole. */
function fieldsOf(before: Json | undefined, after: Json | undefined, path = ''): FieldChange[] {
  if (isSame(before, after)) return []
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
    return names.flatMap((name) => fieldsOf(before[name], after[name], path === '' ? name : `${path}.${name}`))
  }
  return [{ path, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) }]
}

function isObject(value: Json | undefined): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function reportOf(changes: readonly BundleChange[]): string {
  const lines = changes.flatMap((one) => {
    if (one.what === 'record' && one.change === 'changed')
      return [
        `~ ${one.kind} ${one.id}`,
        ...one.fields.map((field) => `    ${field.path}: ${short(field.before)} → ${short(field.after)}`),
      ]
    const sign = { added: '+', removed: '-', changed: '~' }[one.change]
    if (one.what === 'run') return [`${sign} run ${one.id}: ${one.text}`]
    return [`${sign} ${one.what === 'record' ? `${one.kind} ${one.id}` : `schema ${one.id}`}`]
  })
  const count = (change: BundleChange['change']): number => changes.filter((one) => one.change === change).length
  return [...lines, `${count('added')} added, ${count('changed')} changed, ${count('removed')} removed`].join('\n')
}

function short(value: Json | undefined): string {
  const text = value === undefined ? '(none)' : canonicalAround(value)
  return text.length > 80 ? `${text.slice(0, 80).toWellFormed()}…` : text
}
