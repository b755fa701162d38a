/**
 * Pairs: what would have been done beside what was done, as evidence for leaving the rung 'shadow'.
 *
 * R1. It counts in the unit of what completes it: the deed, the end of the effect, or the proposal that comes after either. Once: both
 *     sides are marked there.
 * R2. A counterpart is what a person did by hand, or an effect that a person agreed to after a look.
 * R3. A person's word on the item counts above what was compared, and not beside it.
 * R4. What nobody did within the window counts as wrong with the next pair of its segment: who tells of some deeds tells of all. Where none
 *     is told, silence is no evidence.
 * R5. It counts for the standing that it was proposed under: its account, its segment, its version, and not from before. What cannot count
 *     has no counterpart.
 * R6. Nothing is read but what is about the same thing, and what is late: however much was proposed meanwhile. What an earlier release
 *     has recorded is not found so, and is evidence for nothing.
 * R7. What agrees goes before what is nearer in time.
 */
import { durationMs } from '../../base/duration.ts'
import { costsKnown } from '../../connector/cost.ts'
import type { Put } from '../../journal/put.ts'
import type { Draft } from '../../journal/entry.ts'
import { pagesOf } from '../../journal/pages.ts'
import type { RecordRow } from '../../journal/store.ts'
import type { Happening, Standing } from '../../policy/trust.ts'
import type { EffectRecord } from '../effect/ledger.ts'
import type { Environment } from '../environment.ts'
import { closing, type ItemRecord } from '../item.ts'
import { deedAct, effectAct, type Deed } from '../shadow/acts.ts'
import { agree, matched, proposalOf, type Act } from '../shadow/agreement.ts'
import { keysOf, rowsNear, type Near } from '../shadow/keys.ts'
import {
  deedRef,
  effectRef,
  meetingPuts,
  pairedPut,
  unpairedNear,
  unpairedPut,
  type Unpaired,
} from '../shadow/unpaired.ts'
import { freeKey, isLoose, readWould, shownKey, WINDOW, wouldPut, type Paired, type Would } from '../shadow/would.ts'
import { happened, ruleOf, standingNow, trustOf, widened, type TrustRecord } from './record.ts'
import { termOf } from './segment.ts'
import type { Stands } from './stands.ts'

const WINDOW_MS = durationMs(WINDOW)
const WEEK_MS = 7 * 86_400_000
/** Shown to a person though policy asks nobody, in a week, of one segment. */
const SAMPLES = 10
/** How many windows back what nobody did is looked for, and how much of it counts at once. */
const WINDOWS = 4
const OVERDUE_MAX = 100
/** Mostly there are not more. */
const FEW = 10

interface Drawn {
  readonly puts: readonly Put[]
  readonly drafts: readonly Draft[]
  /** What was done is what would have been: nobody needs to say a word. */
  readonly agreed?: boolean
}

/** What a would-have effect is evidence for. */
export function trustIn(stands: Stands | undefined, keys: () => readonly string[]): Pick<Would, 'trust' | 'keys'> {
  if (stands?.known === undefined) return {}
  const { segment, standing } = stands.known
  return { trust: { segment, version: standing.version }, keys: keys() }
}

/** Where policy asks nobody, a person is shown so many of a week, to say what no deed does. */
export async function isSampled(env: Environment, workspace: string, would: Would): Promise<boolean> {
  const where = { field: 'shown', value: shownKey(would) }
  const shown = await env.store.records(workspace, { kind: 'would', where, from: would.at - WEEK_MS, limit: SAMPLES })
  return shown.length < SAMPLES
}

/** The records of a proposal, and of the pair that it completes. */
export async function proposed(
  env: Environment,
  workspace: string,
  would: Would,
  stands: Stands | undefined,
): Promise<Drawn> {
  const bare: Drawn = { puts: [wouldPut(would, 1)], drafts: [] }
  if (stands?.known === undefined || stands.rung !== 'shadow') return bare
  const meeting = await meetingPuts({ store: env.store, workspace }, would.keys ?? [])
  const found = await counterpart(env, workspace, would)
  if (found !== undefined) {
    const ground = await groundsIn(env, workspace)(would)
    if (ground !== undefined) {
      const { puts, ...pair } = await counted(env, workspace, { would, version: 0 }, found.act, ground)
      return { ...pair, puts: [pairedPut(found.done), ...puts] }
    }
  }
  // From now on it is on the list of what stands where.
  const { rule } = stands
  const { record } = stands.known
  const begun = record.version === 0 ? (await happened(env, workspace, rule, record, [])).puts : []
  return { puts: [...bare.puts, ...begun, ...meeting], drafts: [] }
}

/** What a deed, or an effect that a person agreed to, is the counterpart of. Until it is, it is found by `ref`. */
async function completedBy(
  env: Environment,
  workspace: string,
  secret: string,
  act: Act,
  { ref, account = 'default' }: { readonly ref: string; readonly account?: string | undefined },
): Promise<Drawn> {
  const keys = keysOf(secret, { ...act, account })
  const place = { store: env.store, workspace }
  const alone = async (): Promise<Put> => unpairedPut(place, ref, keys, act.at)
  const meeting = await meetingPuts(place, keys)
  // Another process may know of trust what this one does not.
  if (ruleOf(env, act.action, account) === undefined) return { puts: [await alone(), ...meeting], drafts: [] }
  const groundOf = groundsIn(env, workspace)
  const keep = async (row: RecordRow): Promise<boolean> => (await groundOf(heldIn(row).would)) !== undefined
  const rows = await rowsNear(place, 'would', keys, { ...nearTo(env, act.at), keep })
  const held = new Map(rows.map(heldIn).map((one) => [one.would.id, one]))
  const woulds = [...held.values()].map(({ would }) => asked(env, would))
  const found = held.get(proposalOf(act, woulds, WINDOW_MS, alikeIn(env))?.id ?? '')
  if (found === undefined) return { puts: [await alone(), ...meeting], drafts: [] }
  return counted(env, workspace, found, act, (await groundOf(found.would))!)
}

export async function completedByDeed(env: Environment, workspace: string, deed: Deed): Promise<Drawn> {
  const secret = await env.company(workspace).key()
  const act = deedAct(secret, env.actions.find(deed.action), deed)
  return completedBy(env, workspace, secret, act, { ref: deedRef(deed), account: deed.account })
}

export async function completedByEffect(env: Environment, workspace: string, effect: EffectRecord): Promise<Drawn> {
  const secret = await env.company(workspace).key()
  const act = effectAct(secret, env.actions.find(effect.action), effect, effect.owner.run)
  return completedBy(env, workspace, secret, act, { ref: effectRef(effect), account: effect.account })
}

/** What a person's word on an item comes to (R3); undefined: it was proposed under another standing, and is evidence for none (R5). */
export async function saidOf(
  env: Environment,
  workspace: string,
  item: ItemRecord,
  told: Happening & { what: 'seen' },
  { version, since }: Standing,
): Promise<{ happenings: readonly Happening[]; marks: readonly Put[] } | undefined> {
  const held = item.would === undefined ? undefined : await readWould(env.store, workspace, item.would)
  if (held === undefined) return { happenings: [told], marks: [] }
  const { paired, trust, at } = held.would
  if (trust?.version !== version || at < since) return undefined
  const { good } = told
  const marks = [mark(held, { by: paired?.by ?? 'word', good })]
  if (paired === undefined) return { happenings: [told], marks }
  return { happenings: paired.good === good ? [] : [{ what: 'corrected', good, at: told.at }], marks }
}

type Held = { readonly would: Would; readonly version: number }

/** Where what would have been done is evidence. */
interface Ground {
  readonly record: TrustRecord
  readonly since: number
}

/** R5: undefined where it is evidence for nothing. What stands where is read once. */
function groundsIn(env: Environment, workspace: string): (would: Would) => Promise<Ground | undefined> {
  const known = new Map<string, Promise<{ record: TrustRecord; standing: Standing } | undefined>>()
  const read = async ({ action, account }: Would, segment: string) => {
    const rule = ruleOf(env, action, account)
    if (rule === undefined || !(await termOf(env, workspace, rule, segment)).known) return undefined
    const record = await trustOf(env, workspace, rule, segment)
    return { record, standing: standingNow(env, rule, record) }
  }
  return async (would) => {
    const { segment, version } = would.trust ?? {}
    if (segment === undefined || would.paired !== undefined) return undefined
    const found = known.get(segment) ?? read(would, segment)
    known.set(segment, found)
    const { record, standing } = (await found) ?? {}
    if (record === undefined || standing?.rung !== 'shadow') return undefined
    const { since } = standing
    return standing.version === version && would.at >= since ? { record, since } : undefined
  }
}

async function counted(
  env: Environment,
  workspace: string,
  held: Held,
  act: Act,
  { record, since }: Ground,
): Promise<Drawn> {
  const { would } = held
  const rule = ruleOf(env, would.action, would.account)!
  const at = env.clock.now()
  const good = alikeIn(env)(would, act)
  const late = await overdue(env, workspace, would, { at, since })
  const happenings: Happening[] = [...late.map(() => false), good].map((one) => ({ what: 'seen', good: one, at }))
  const more = good ? widened(record, act.input, costsKnown(env.actions.find(would.action), act.input)) : {}
  const { puts, drafts } = await happened(env, workspace, rule, record, happenings, more)
  // What agrees needs no word of a person.
  const item = good && would.item !== undefined ? await closing(env.store, workspace, [would.item], 'withdrawn') : []
  const marks = [mark(held, { by: act.ref, good }), ...late.map((one) => mark(one, { by: 'nobody', good: false }))]
  return { puts: [...marks, ...puts, ...item], drafts, agreed: good }
}

function mark({ would, version }: Held, paired: Paired): Put {
  return wouldPut({ ...would, paired }, version + 1)
}

/** R4, of what was proposed since its standing began (R5). */
async function overdue(
  env: Environment,
  workspace: string,
  would: Would,
  { at, since }: { readonly at: number; readonly since: number },
): Promise<Held[]> {
  const where = { field: 'free', value: freeKey(would) }
  const late: Held[] = []
  const free = { kind: 'would', where, from: Math.max(since, at - WINDOWS * WINDOW_MS) }
  for await (const row of pagesOf(env.store, workspace, free, FEW)) {
    const one = heldIn(row)
    // They come in the order of their instants.
    if (at - one.would.at <= WINDOW_MS || late.length === OVERDUE_MAX) break
    if (one.would.id !== would.id) late.push(one)
  }
  return late
}

function heldIn(row: RecordRow): Held {
  return { would: JSON.parse(row.data) as Would, version: row.version }
}

function asked(env: Environment, would: Would): Would & { readonly loose: boolean } {
  return { ...would, loose: isLoose(env.actions.find(would.action), would.input, would.because) }
}

/** R2, R7: of what was done around then, under the same account, and is nobody's counterpart yet. */
async function counterpart(
  env: Environment,
  workspace: string,
  would: Would,
): Promise<{ act: Act; done: Unpaired } | undefined> {
  const secret = await env.company(workspace).key()
  const known = env.actions.find(would.action)
  const near = await unpairedNear({ store: env.store, workspace }, would.keys ?? [], nearTo(env, would.at))
  const done = new Map(
    near.map((one) => [
      'deed' in one ? deedAct(secret, known, one.deed) : effectAct(secret, known, one.effect, one.effect.owner.run),
      one,
    ]),
  )
  const act = matched([asked(env, would)], [...done.keys()], WINDOW_MS, alikeIn(env)).get(would.id)
  return act === undefined ? undefined : { act, done: done.get(act)! }
}

function nearTo(env: Environment, at: number): Near {
  return { at, windowMs: WINDOW_MS, now: env.clock.now() }
}

function alikeIn(env: Environment): (would: Would, act: Act) => boolean {
  return (would, act) => agree(would.input, act.input, env.actions.find(would.action)?.material ?? [], 0)
}
