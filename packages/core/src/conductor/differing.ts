/** Differing: what of an effect's input is other than it was recorded, for whoever has to mend the code. */
import { canonical } from '../base/json.ts'
import type { Json } from '../base/value.ts'
import { pagesOf } from '../journal/pages.ts'
import type { Difference } from './divergence.ts'
import type { EffectRecord } from './effect/ledger.ts'
import type { Pass } from './pass.ts'

const SHOWN_MAX = 3
const VALUE_MAX = 80

/**
 * With the fields that differ, and what they were; what the code asks for now is in the hint alone. It may be another at each pass,
 * and the same difference is told once.
 */
export async function told(pass: Pass, difference: Difference): Promise<Difference> {
  const { at, asks, text, hint } = difference
  if (asks === undefined) return difference
  const recorded = await recordedInput(pass, at)
  if (recorded === undefined) return difference
  const found = differing(recorded, JSON.parse(asks) as Json, '')
  if (found.length === 0) return difference
  const some = found.slice(0, SHOWN_MAX)
  const more = found.length > SHOWN_MAX ? ` and ${found.length - SHOWN_MAX} more` : ''
  const was = some.map((one) => `${one.path} was ${shown(one.was)}`).join(', ')
  const now = some.map((one) => `${one.path} ${shown(one.now)}`).join(', ')
  return { ...difference, text: `${text}: ${was}${more}`, hint: `The code asks for ${now} now. ${hint}` }
}

/** Undefined: none is known, or a person has edited it. */
async function recordedInput({ task }: Pass, key: string): Promise<Json | undefined> {
  const { env, claimed } = task
  const where = { field: 'run', value: claimed.row.id }
  for await (const { data } of pagesOf(env.store, claimed.row.workspace, { kind: 'effect', where })) {
    const { owner, input, edited } = JSON.parse(data) as EffectRecord
    if (owner.key === key) return edited ? undefined : input
  }
  return undefined
}

interface Field {
  readonly path: string
  readonly was: Json | undefined
  readonly now: Json | undefined
}

function differing(was: Json | undefined, now: Json | undefined, path: string): Field[] {
  if (was !== undefined && now !== undefined && canonical(was) === canonical(now)) return []
  if (!isObject(was) || !isObject(now)) return [{ path: path === '' ? 'it' : path, was, now }]
  const names = new Set([...Object.keys(was), ...Object.keys(now)])
  return [...names].flatMap((name) => differing(was[name], now[name], path === '' ? name : `${path}.${name}`))
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null
}

function shown(value: Json | undefined): string {
  if (value === undefined) return 'not there'
  const text = JSON.stringify(value)
  return text.length > VALUE_MAX ? `${text.slice(0, VALUE_MAX)}…` : text
}
