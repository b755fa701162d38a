/** Report: how far what a playbook would have done in shadow agrees with what was really done. */
import type { Duration } from '../../base/duration.ts'
import { durationMs } from '../../base/duration.ts'
import { KeelsonError } from '../../base/errors.ts'
import { moneyIn, totals } from '../../base/money.ts'
import type { Json } from '../../base/value.ts'
import type { Money } from '../../base/actor.ts'
import { costsKnown } from '../../connector/cost.ts'
import { wilsonLower } from '../../policy/trust.ts'
import type { EntityRecord } from '../../memory/entity.ts'
import type { EffectRecord } from '../effect/ledger.ts'
import type { Environment } from '../environment.ts'
import type { ItemRecord } from '../item.ts'
import { iso } from '../waiting.ts'
import { agree, agrees, fieldsOf, matched, type Act, type FieldPair } from './agreement.ts'
import { isGuessed, likenessOf, lostIn, lostOf, type Likeness } from './fidelity.ts'
import { overlayRows } from './overlay.ts'
import { deedAct, effectAct, type Deed } from './acts.ts'
import { allOf, isLoose, WINDOW, type Would } from './would.ts'

export interface ShadowOptions {
  /** How far apart an act and its counterpart may be. Default '7d'. */
  readonly window?: Duration
  /** Share by which amounts may differ and still agree. Default 0. */
  readonly tolerance?: number
  /** ISO instant; default: since the playbook was first in shadow. */
  readonly since?: string
}

/** What came of comparing one would-have effect. */
export type Outcome =
  /** A person, or the stable version, did the same. */
  | 'agreed'
  | 'differed'
  /** Nobody did anything of the kind. */
  | 'spurious'
  /** Somebody still may. */
  | 'open'

export interface ShadowPair {
  readonly run: string
  readonly step: string
  readonly action: string
  readonly at: string
  readonly outcome: Outcome
  /** What policy would have said of it. */
  readonly verdict: string
  readonly would: Json
  /** What was really done instead; and by whom. */
  readonly did?: { readonly ref: string; readonly input: Json; readonly at: string; readonly by: string }
  readonly fields: readonly FieldPair[]
  /** What it was answered was guessed: see `fidelity`. */
  readonly guessed?: true
  /** A person has judged it: it counts as that. */
  readonly judged?: 'good' | 'wrong'
}

export interface ShadowReport extends Likeness {
  readonly playbook: string
  readonly runs: number
  readonly effects: number
  readonly agreed: number
  readonly differed: number
  /** Really done, and not proposed by any run in shadow. */
  readonly missed: number
  readonly spurious: number
  /** Not decided yet: the window is not over. */
  readonly open: number
  /** Of all that is decided, misses and spurious ones included; `lower` is the one-sided 95 % bound. */
  readonly agreement: { readonly share: number; readonly lower: number }
  /** What would have needed a person, by verdict. */
  readonly verdicts: { readonly [verdict: string]: number }
  readonly moneyWouldHaveMoved: readonly Money[]
  readonly byAction: readonly {
    readonly action: string
    readonly agreed: number
    readonly decided: number
    readonly missed: number
  }[]
  readonly pairs: readonly ShadowPair[]
  readonly misses: readonly {
    readonly ref: string
    readonly action: string
    readonly input: Json
    readonly at: string
    readonly by: string
  }[]
}

/** What one run would have done, beside what was done. */
export interface ShadowDiff extends Likeness {
  readonly run: string
  readonly pairs: readonly ShadowPair[]
  /** Records as they are, and as the run would have left them. */
  readonly entities: readonly { readonly type: string; readonly id: string; readonly now: Json; readonly would: Json }[]
}

/** `actions`: those that the playbook declares, so that what it never proposes is missed, too. */
export async function report(
  env: Environment,
  workspace: string,
  playbook: string,
  actions: readonly string[],
  options: ShadowOptions = {},
): Promise<ShadowReport> {
  const since = options.since === undefined ? -Infinity : instant(options.since)
  const from = since - durationMs(options.window ?? WINDOW)
  const all = await allOf<Would>(env.store, workspace, {
    kind: 'would',
    where: { field: 'playbook', value: playbook },
    ...(options.since === undefined ? {} : { from }),
  })
  const woulds = all.filter((one) => one.at >= since)
  // What was proposed shortly before has its counterpart, too: it is no miss.
  const { pairs: known, misses } = await compared(env, workspace, all, actions, playbook, options)
  const pairs = known.filter((_, i) => all[i]!.at >= since)
  const count = (outcome: Outcome): number => pairs.filter((one) => counted(one) === outcome).length
  const lost = (await lostOf(env.store, workspace, 'playbook', playbook)).filter((one) => one.at >= since)
  const roots = new Set(woulds.map((one) => one.root))
  const agreed = count('agreed')
  const decided = pairs.length - count('open') + misses.length
  const verdicts: Record<string, number> = {}
  for (const { verdict } of woulds) verdicts[verdict] = (verdicts[verdict] ?? 0) + 1
  return {
    playbook,
    runs: roots.size,
    effects: woulds.length,
    agreed,
    differed: count('differed'),
    missed: misses.length,
    spurious: count('spurious'),
    open: count('open'),
    agreement: { share: decided === 0 ? 0 : agreed / decided, lower: wilsonLower(agreed, decided) },
    // What these runs did before rests on what was simulated, too.
    ...likenessOf(
      all.filter(({ root }) => roots.has(root)),
      lost,
      (action) => env.actions.find(action),
    ),
    verdicts,
    moneyWouldHaveMoved: moneyOf(env, woulds),
    byAction: byAction(pairs, misses),
    pairs,
    misses: misses.map(({ ref, action, input, at, by }) => ({ ref, action, input, at: iso(at), by })),
  }
}

export async function diff(
  env: Environment,
  workspace: string,
  run: string,
  options: ShadowOptions = {},
): Promise<ShadowDiff> {
  const byRoot = await allOf<Would>(env.store, workspace, { kind: 'would', where: { field: 'root', value: run } })
  const own = await allOf<Would>(env.store, workspace, { kind: 'would', where: { field: 'run', value: run } })
  const woulds = byRoot.length > 0 ? byRoot : own
  const lost = await lostIn(env.store, workspace, run)
  const { pairs } = await compared(env, workspace, woulds, [], '', options)
  const rows = await overlayRows(env.store, workspace, woulds[0]?.root ?? run, 'entity')
  const entities = await Promise.all(
    rows.map(async (row) => {
      const would = JSON.parse(row.data) as EntityRecord
      const [real] = await env.store.records(workspace, { kind: 'entity', ids: [row.id], limit: 1 })
      const now = real === undefined ? null : (JSON.parse(real.data) as EntityRecord).data
      return { type: would.type, id: would.id, now, would: would.data }
    }),
  )
  const order = new Map(woulds.map((one, i) => [`${one.run} ${one.step}`, one.order + i / 1e6]))
  const place = (one: ShadowPair): number => order.get(`${one.run} ${one.step}`) ?? 0
  const likeness = likenessOf(woulds, lost, (action) => env.actions.find(action))
  return { run, ...likeness, pairs: [...pairs].sort((a, b) => place(a) - place(b)), entities }
}

function instant(text: string): number {
  const at = Date.parse(text)
  if (Number.isFinite(at)) return at
  throw new KeelsonError('INPUT_INVALID', `"${text}" is not an instant`, { hint: 'Write ISO text with a zone.' })
}

/** A person's word on a pair counts above what was compared. */
export function counted(pair: ShadowPair): Outcome {
  if (pair.judged === 'good') return 'agreed'
  if (pair.judged === 'wrong') return pair.outcome === 'spurious' ? 'spurious' : 'differed'
  return pair.outcome
}

async function compared(
  env: Environment,
  workspace: string,
  woulds: readonly Would[],
  declared: readonly string[],
  playbook: string,
  { window = WINDOW, tolerance = 0, since }: ShadowOptions,
): Promise<{ pairs: ShadowPair[]; misses: Act[] }> {
  const windowMs = durationMs(window)
  const now = env.clock.now()
  // From when on it could have proposed something: as somebody says, or since it has.
  const earliest = woulds.reduce((at, one) => Math.min(at, one.at), now)
  const first = since === undefined ? earliest : instant(since)
  const actions = [...new Set([...declared, ...woulds.map((one) => one.action)])].sort()
  const acts = await actsOf(env, workspace, actions, Math.min(first, earliest) - windowMs)
  const asked = woulds.map((one) => ({ ...one, loose: isLoose(env.actions.find(one.action), one.input, one.because) }))
  const materialOf = ({ action }: Would): readonly string[] => env.actions.find(action)?.material ?? []
  const found = matched(asked, acts, windowMs, (would, { input }) =>
    agree(would.input, input, materialOf(would), tolerance),
  )
  const judged = await judgements(env, workspace, woulds)
  const pairs = woulds.map((would): ShadowPair => {
    const act = found.get(would.id)
    const said = judged.get(would.item ?? '')
    const fields = act === undefined ? [] : fieldsOf(would.input, act.input, materialOf(would), tolerance)
    const none = now - would.at > windowMs ? 'spurious' : 'open'
    return {
      run: would.run,
      step: would.step,
      action: would.action,
      at: iso(would.at),
      outcome: act === undefined ? none : agrees(fields) ? 'agreed' : 'differed',
      verdict: would.verdict,
      would: would.input,
      ...(act === undefined ? {} : { did: { ref: act.ref, input: act.input, at: iso(act.at), by: act.by } }),
      fields,
      ...(isGuessed(would, env.actions.find(would.action)) ? { guessed: true } : {}),
      ...(said === undefined ? {} : { judged: said ? 'good' : 'wrong' }),
    }
  })
  const used = new Set([...found.values()].map((act) => act.ref))
  const own = (act: Act): boolean => act.by.startsWith('person ') || act.by.startsWith(`${playbook}@`)
  const misses = acts.filter((act) => !used.has(act.ref) && act.at >= first && now - act.at > windowMs && own(act))
  return { pairs, misses: playbook === '' ? [] : misses }
}

/** What was really done with these actions: effects of any run, and what people said they did by hand. */
async function actsOf(env: Environment, workspace: string, actions: readonly string[], from: number): Promise<Act[]> {
  const secret = await env.company(workspace).key()
  const acts: Act[] = []
  const effects: EffectRecord[] = []
  for (const value of actions) {
    const where = { field: 'action', value }
    const all = await allOf<EffectRecord>(env.store, workspace, { kind: 'effect', where, from })
    effects.push(...all.filter((one) => one.state === 'done' && one.compensates === undefined))
    const deeds = await allOf<Deed>(env.store, workspace, { kind: 'deed', where, from })
    acts.push(...deeds.map((deed) => deedAct(secret, env.actions.find(value), deed)))
  }
  const playbooks = await playbooksOf(env, workspace, effects)
  for (const one of effects) {
    const { run } = one.owner
    acts.push(effectAct(secret, env.actions.find(one.action), one, playbooks.get(run) ?? run))
  }
  return acts
}

async function playbooksOf(
  env: Environment,
  workspace: string,
  effects: readonly EffectRecord[],
): Promise<Map<string, string>> {
  const ids = [...new Set(effects.map((one) => one.owner.run))]
  const named = new Map<string, string>()
  for (let from = 0; from < ids.length; from += 500) {
    const page = ids.slice(from, from + 500)
    for (const row of await env.store.runs(workspace, { ids: page, limit: page.length }))
      named.set(row.id, `${row.playbook}@${row.version}`)
  }
  return named
}

/** What people have said of the items that showed what would have been asked. */
async function judgements(
  env: Environment,
  workspace: string,
  woulds: readonly Would[],
): Promise<Map<string, boolean>> {
  const ids = woulds.flatMap((one) => (one.item === undefined ? [] : [one.item]))
  const said = new Map<string, boolean>()
  for (let from = 0; from < ids.length; from += 500) {
    const page = ids.slice(from, from + 500)
    for (const row of await env.store.records(workspace, { kind: 'inbox', ids: page, limit: page.length })) {
      const { decided } = JSON.parse(row.data) as ItemRecord
      const answer = (decided?.decision as { answer?: { good?: boolean } } | undefined)?.answer
      if (typeof answer?.good === 'boolean') said.set(row.id, answer.good)
    }
  }
  return said
}

function byAction(pairs: readonly ShadowPair[], misses: readonly Act[]): ShadowReport['byAction'] {
  const names = [...new Set([...pairs.map((one) => one.action), ...misses.map((one) => one.action)])].sort()
  return names.map((action) => {
    const own = pairs.filter((one) => one.action === action)
    return {
      action,
      agreed: own.filter((one) => counted(one) === 'agreed').length,
      decided: own.filter((one) => counted(one) !== 'open').length,
      missed: misses.filter((one) => one.action === action).length,
    }
  })
}

/** What they cost, by currency. */
function moneyOf(env: Environment, woulds: readonly Would[]): Money[] {
  return totals(woulds.flatMap(({ action, input }) => costsKnown(env.actions.find(action), input) ?? moneyIn(input)))
}
