/**
 * Pairs: what would have been done beside what was done, as evidence for leaving the rung 'shadow'.
 *
 * R1. It counts in the unit of what completes it: the deed, the end of the effect, or the proposal that comes after either. Once: both
 *     sides are marked there.
 * R2. A counterpart is what a person did by hand, or an effect that a person agreed to after a look.
 * R3. A person's word on the item counts above what was compared, and not beside it.
 * R4. What nobody did within the window counts as wrong with the next pair of its segment: who tells of some deeds tells of all. Where none
 *     is told, silence is no evidence.
 * R5. It counts for the standing that it was proposed under: its segment, its version, and not from before.
 */
import { durationMs } from '../../base/duration.ts'
import { costsKnown } from '../../connector/cost.ts'
import type { Put } from '../../journal/put.ts'
import type { Draft } from '../../journal/entry.ts'
import type { Happening, Standing } from '../../policy/trust.ts'
import type { EffectRecord } from '../effect/ledger.ts'
import type { Environment } from '../environment.ts'
import { closing, type ItemRecord } from '../item.ts'
import { deedAct, effectAct, type Deed } from '../shadow/acts.ts'
import { agrees, fieldsOf, matched, type Act } from '../shadow/agreement.ts'

import { allOf, isLoose, readWould, WINDOW, wouldPut, type Paired, type Would } from '../shadow/would.ts'
import { happened, ruleOf, standingNow, trustOf, widened } from './record.ts'
import { termOf } from './segment.ts'
import type { Stands } from './stands.ts'

const WINDOW_MS = durationMs(WINDOW)
const WEEK_MS = 7 * 86_400_000
/** Shown to a person though policy asks nobody, in a week, of one segment. */
const SAMPLES = 10
/** How many windows back what nobody did is looked for, and how much of it counts at once. */
const WINDOWS = 4
const OVERDUE_MAX = 100

interface Drawn {
  readonly puts: readonly Put[]
  readonly drafts: readonly Draft[]
  /** What was done is what would have been: nobody needs to say a word. */
  readonly agreed?: boolean
}

const NOTHING: Drawn = { puts: [], drafts: [] }

/** What a would-have effect is evidence for. */
export function trustIn(stands: Stands | undefined): Pick<Would, 'trust'> {
  if (stands?.known === undefined) return {}
  const { segment, standing } = stands.known
  return { trust: { segment, version: standing.version } }
}

/** Where policy asks nobody, a person is shown so many of a week, to say what no deed does. */
export async function isSampled(env: Environment, workspace: string, { action, at, trust }: Would): Promise<boolean> {
  const all = await wouldsOf(env, workspace, action, at - WEEK_MS)
  const shown = all.filter((one) => one.item !== undefined && one.trust?.segment === trust?.segment)
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
  const acts = await actsNear(env, workspace, would)
  const act = matched([asked(env, would)], acts, WINDOW_MS).get(would.id)
  const pair = act === undefined ? NOTHING : await counted(env, workspace, { would, version: 0 }, act)
  if (pair.puts.length > 0) return pair
  // From now on it is on the list of what stands where.
  const { rule } = stands
  const { record } = stands.known
  const begun = record.version === 0 ? (await happened(env, workspace, rule, record, [])).puts : []
  return { puts: [...bare.puts, ...begun], drafts: [] }
}

/** What a deed, or an effect that a person agreed to, is the counterpart of. */
async function completedBy(env: Environment, workspace: string, act: Act): Promise<Drawn> {
  if (!env.trust.some((rule) => rule.action === act.action)) return NOTHING
  const near = await wouldsOf(env, workspace, act.action, act.at - WINDOW_MS)
  const free = near.filter((one) => one.trust !== undefined && one.paired === undefined)
  const [id] = [...matched(free.map((one) => asked(env, one)), [act], WINDOW_MS).keys()] // prettier-ignore
  const held = id === undefined ? undefined : await readWould(env.store, workspace, id)
  return held === undefined ? NOTHING : counted(env, workspace, held, act)
}

export async function completedByDeed(env: Environment, workspace: string, deed: Deed): Promise<Drawn> {
  const secret = await env.company(workspace).key()
  return completedBy(env, workspace, deedAct(secret, env.actions.find(deed.action), deed))
}

export async function completedByEffect(env: Environment, workspace: string, effect: EffectRecord): Promise<Drawn> {
  const secret = await env.company(workspace).key()
  return completedBy(env, workspace, effectAct(secret, env.actions.find(effect.action), effect, effect.owner.run))
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

async function counted(env: Environment, workspace: string, held: Held, act: Act): Promise<Drawn> {
  const { would } = held
  const rule = ruleOf(env, would.action, would.account)
  const { segment, version } = would.trust ?? {}
  if (rule === undefined || segment === undefined) return NOTHING
  if (!(await termOf(env, workspace, rule, segment)).known) return NOTHING
  const record = await trustOf(env, workspace, rule, segment)
  const standing = standingNow(env, rule, record)
  if (standing.rung !== 'shadow' || standing.version !== version || would.at < standing.since) return NOTHING
  const at = env.clock.now()
  const material = env.actions.find(would.action)?.material ?? []
  const good = agrees(fieldsOf(would.input, act.input, material, 0))
  const late = await overdue(env, workspace, would, at)
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

/** R4. */
async function overdue(
  env: Environment,
  workspace: string,
  { id, action, account, trust }: Would,
  at: number,
): Promise<Held[]> {
  const all = await wouldsOf(env, workspace, action, at - WINDOWS * WINDOW_MS)
  const isLate = (one: Would): boolean =>
    one.id !== id &&
    one.paired === undefined &&
    one.account === account &&
    one.trust?.segment === trust?.segment &&
    one.trust?.version === trust?.version &&
    at - one.at > WINDOW_MS
  const ids = all.filter(isLate).slice(0, OVERDUE_MAX).map((one) => one.id) // prettier-ignore
  const held = await Promise.all(ids.map((one) => readWould(env.store, workspace, one)))
  return held.filter((one) => one !== undefined)
}

function wouldsOf(env: Environment, workspace: string, action: string, from: number): Promise<Would[]> {
  return allOf<Would>(env.store, workspace, { kind: 'would', where: { field: 'action', value: action }, from })
}

function asked(env: Environment, would: Would): Would & { readonly loose: boolean } {
  return { ...would, loose: isLoose(env.actions.find(would.action), would.input, would.because) }
}

/** R2: what was done around then, and is nobody's counterpart yet. */
async function actsNear(env: Environment, workspace: string, { action, at }: Would): Promise<Act[]> {
  const secret = await env.company(workspace).key()
  const known = env.actions.find(action)
  const from = at - WINDOW_MS
  const where = { field: 'action', value: action }
  const deeds = await allOf<Deed>(env.store, workspace, { kind: 'deed', where, from })
  const effects = await allOf<EffectRecord>(env.store, workspace, { kind: 'effect', where, from })
  const agreed = effects.filter((one) => one.state === 'done' && one.agreed !== undefined)
  const acts = [
    ...deeds.map((one) => deedAct(secret, known, one)),
    ...agreed.map((one) => effectAct(secret, known, one, one.owner.run)),
  ]
  if (acts.length === 0) return []
  const used = new Set((await wouldsOf(env, workspace, action, from - WINDOW_MS)).map((one) => one.paired?.by))
  return acts.filter((one) => !used.has(one.ref))
}
