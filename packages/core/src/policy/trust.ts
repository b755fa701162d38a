/**
 * Trust: how much an action may do by itself, as a pure function of what people saw it do.
 *
 * T1. Evidence is a decision that a person looked at, a sampled audit, or a shadow pair. Silence is none. What a person takes back as wrong
 *     is bad, whatever was said of it before.
 * T2. Looked at every 25th decision over all evidence since the current version; two passes in a row propose a promotion.
 *     It is proposed: a person promotes. Where `autoPromote` is set it is made instead, up to that rung, and never beyond 'veto'.
 *     No rung above the ceiling is ever proposed or made.
 * T3. Demotion is made at once: a wrong effect that was taken back, a bad run of late, a version that did not prove itself,
 *     sixty days without evidence; and where its action is defined otherwise. It never goes below asking each time, where a person
 *     decides anyway.
 * T4. A person who takes back what was made so is asked from then on, until a person puts it on a rung.
 * T5. A ceiling that has come down takes with it what stands above it, and what was proposed beyond it.
 */

/** From least to most trusted. */
export const RUNGS = ['shadow', 'approve', 'batch', 'veto', 'automatic'] as const
export type TrustRung = (typeof RUNGS)[number]

/** Lower bound that the evidence must reach before a rung is proposed. */
export const BARS: { readonly [R in TrustRung]: number } = {
  shadow: 0,
  approve: 0.8,
  batch: 0.9,
  veto: 0.95,
  automatic: 0.97,
}

/** No `autoPromote` goes beyond it: what nobody can stop any more is allowed by a person. */
export const HIGHEST_BY_ITSELF: TrustRung = 'veto'

const LOOK_EVERY = 25
const PASSES = 2
const RECENT = 40
/** How far below its bar the recent evidence of a rung may be. */
const SLACK = 0.1
const CALM_DECISIONS = 50
const DAY_MS = 86_400_000
const PROBATION = 25
const AUDITS_OF_PROBATION = 12

/** A rung that answered an ask, and in which segment. */
export interface TrustAnswer {
  readonly segment: string
  readonly rung: 'veto' | 'automatic'
  /** Drawn to be checked by a person once it was done. */
  readonly audit?: true
}

/** Where one action, in one segment, stands. Plain JSON. */
export interface Standing {
  readonly rung: TrustRung
  /** Since when it is on this rung. */
  readonly since: number
  /** Of everything that decides how it acts: policy, model, prompt, schema. */
  readonly version: string
  readonly seen: number
  readonly good: number
  /** Looks in a row that passed. */
  readonly passes: number
  /** The last decisions, oldest first: '1' good, '0' bad. */
  readonly recent: string
  /** Decisions seen since something wrong was taken back, and when that was. */
  readonly calm: { readonly decisions: number; readonly since?: number }
  readonly evidenceAt: number
  /** A rung that a person has been asked to allow. */
  readonly proposed?: TrustRung
  /** T4. */
  readonly asksFirst?: true
  /** A new version on trial: executions left, and how many of them a person has looked at. */
  readonly probation?: { readonly left: number; readonly audited: number }
}

export interface Limits {
  /** No higher rung is proposed, or stood on. */
  readonly ceiling: TrustRung
  /** Something wrong brings it down to asking each time, not just one rung. */
  readonly highRisk: boolean
  /** The highest rung that it is put on without a person; undefined: none is. */
  readonly autoPromote?: TrustRung
}

export type Happening =
  /** `audit`: the item by which it was checked after it had acted by itself. */
  | { readonly what: 'seen'; readonly good: boolean; readonly audit?: string; readonly at: number }
  /** It acted by itself. */
  | { readonly what: 'executed'; readonly at: number }
  /** `good`: how many of what is taken back had counted so; `unseen`: how many had not counted at all. */
  | {
      readonly what: 'taken-back'
      readonly wrong: boolean
      readonly good?: number
      readonly unseen?: number
      readonly at: number
    }
  /** A person says of what has counted that it was otherwise. */
  | { readonly what: 'corrected'; readonly good: boolean; readonly at: number }
  | { readonly what: 'version'; readonly version: string; readonly at: number }
  /** The action itself is defined otherwise: what was trusted is gone. */
  | { readonly what: 'reshaped'; readonly at: number }
  | { readonly what: 'time'; readonly at: number }
  /** A person has said which rung it is to be on. */
  | { readonly what: 'set'; readonly rung: TrustRung; readonly at: number }
  /** A person has allowed what was proposed. */
  | { readonly what: 'accepted'; readonly rung: TrustRung; readonly at: number }
  | { readonly what: 'declined'; readonly at: number }
  /** A person takes back what it was given by itself: it was to stay on this rung. */
  | { readonly what: 'returned'; readonly rung: TrustRung; readonly at: number }

/** What bears a promotion. */
interface Shown {
  readonly seen: number
  readonly good: number
  readonly lower: number
}

export type RungChange =
  | ({ readonly kind: 'proposed'; readonly to: TrustRung } & Shown)
  | ({ readonly kind: 'promoted'; readonly from: TrustRung; readonly to: TrustRung } & Shown)
  | { readonly kind: 'withdrawn' }
  | { readonly kind: 'demoted'; readonly from: TrustRung; readonly to: TrustRung; readonly why: string }

export interface Step {
  readonly standing: Standing
  readonly change?: RungChange
}

/**
 * Lower bound of the one-sided 95 % Wilson interval for `good` of `seen`, in [0, 1]. 0 when nothing was seen.
 *
 * Source: E. B. Wilson, "Probable Inference", JASA 22 (1927).
 */
export function wilsonLower(good: number, seen: number, z = 1.645): number {
  if (seen <= 0 || good <= 0) return 0 // of none good the formula leaves a rounding error
  const p = good / seen
  const zz = z * z
  const centre = p + zz / (2 * seen)
  const spread = z * Math.sqrt((p * (1 - p) + zz / (4 * seen)) / seen)
  return Math.max(0, (centre - spread) / (1 + zz / seen))
}

/** A new standing without any evidence. */
export function standingAt(rung: TrustRung, version: string, at: number): Standing {
  return { rung, since: at, version, seen: 0, good: 0, passes: 0, recent: '', calm: { decisions: 0 }, evidenceAt: at }
}

/** What a standing becomes by what happened, and what of that a person hears. */
export function advance(standing: Standing, happening: Happening, limits: Limits): Step {
  switch (happening.what) {
    case 'seen':
      return seen(standing, happening, limits)
    case 'executed':
      return executed(standing, happening.at)
    case 'taken-back':
      return takenBack(standing, happening, limits)
    case 'corrected':
      return { standing: corrected(standing, happening) }
    case 'version':
      return happening.version === standing.version ? { standing } : renewed(standing, happening)
    case 'reshaped':
      return reshaped(standing, happening.at)
    case 'time':
      return beneath(standing, happening.at, limits) ?? idle(standing, happening.at)
    case 'set':
      return isAbove(happening.rung, topOf(limits)) ? { standing } : { standing: put(standing, happening) }
    case 'accepted':
      return standing.proposed === happening.rung ? { standing: put(standing, happening) } : { standing }
    case 'declined':
      return { standing: { ...without(standing), passes: 0 } }
    case 'returned':
      return returned(standing, happening)
    default:
      return happening satisfies never
  }
}

/** The rung above, as far as the ceiling lets it be proposed. */
export function nextRung(rung: TrustRung, ceiling: TrustRung): TrustRung | undefined {
  const next = RUNGS[RUNGS.indexOf(rung) + 1]
  return next !== undefined && RUNGS.indexOf(next) <= RUNGS.indexOf(ceiling) ? next : undefined
}

export function isAbove(a: TrustRung, b: TrustRung): boolean {
  return RUNGS.indexOf(a) > RUNGS.indexOf(b)
}

/** How likely an execution that nobody was asked about is put before a person afterwards. */
export function auditShare(standing: Standing, executedPerWeek: number): number {
  if (standing.probation !== undefined) return 0.5
  return Math.min(1, Math.max(0.05, 3 / Math.max(1, executedPerWeek)))
}

function seen(standing: Standing, { good, at }: { good: boolean; at: number }, limits: Limits): Step {
  const recent = (standing.recent + (good ? '1' : '0')).slice(-RECENT)
  const { probation } = standing
  const next: Standing = {
    ...standing,
    seen: standing.seen + 1,
    good: standing.good + (good ? 1 : 0),
    recent,
    calm: { ...standing.calm, decisions: standing.calm.decisions + 1 },
    evidenceAt: at,
    ...(probation === undefined ? {} : { probation: { ...probation, audited: probation.audited + 1 } }),
  }
  if (probation !== undefined && !good) return down(next, at, 'its new version did something wrong while on trial')
  if (recent.length === RECENT && isAbove(next.rung, 'approve')) {
    const lower = wilsonLower([...recent].filter((one) => one === '1').length, RECENT)
    if (lower < BARS[next.rung] - SLACK)
      return down(next, at, `of its last ${RECENT} decisions too many were bad (lower bound ${percent(lower)})`)
  }
  return next.seen % LOOK_EVERY === 0 ? looked(next, at, limits) : { standing: next }
}

function looked(standing: Standing, at: number, limits: Limits): Step {
  const to = nextRung(standing.rung, limits.ceiling)
  if (to === undefined) return { standing }
  const lower = wilsonLower(standing.good, standing.seen)
  if (lower < BARS[to]) {
    const next = { ...without(standing), passes: 0 }
    return standing.proposed === undefined ? { standing: next } : { standing: next, change: { kind: 'withdrawn' } }
  }
  const next = { ...standing, passes: standing.passes + 1 }
  if (next.passes < PASSES || next.proposed !== undefined || !isCalm(next, to, at)) return { standing: next }
  const { rung: from, seen, good } = next
  if (isByItself(next, to, limits))
    return { standing: put(next, { rung: to, at }), change: { kind: 'promoted', from, to, seen, good, lower } }
  return { standing: { ...next, proposed: to }, change: { kind: 'proposed', to, seen, good, lower } }
}

function isByItself({ asksFirst }: Standing, to: TrustRung, { autoPromote }: Limits): boolean {
  return autoPromote !== undefined && asksFirst !== true && !isAbove(to, autoPromote) && !isAbove(to, HIGHEST_BY_ITSELF)
}

/** What else than the bound the two highest rungs want. */
function isCalm({ calm, since, probation }: Standing, to: TrustRung, at: number): boolean {
  if (probation !== undefined) return false
  if (to === 'veto') return calm.since === undefined || calm.decisions >= CALM_DECISIONS
  if (to !== 'automatic') return true
  return at - since >= 30 * DAY_MS && (calm.since === undefined || at - calm.since >= 30 * DAY_MS)
}

function executed(standing: Standing, at: number): Step {
  const { probation } = standing
  if (probation === undefined) return { standing }
  if (probation.left > 0) return { standing: { ...standing, probation: { ...probation, left: probation.left - 1 } } }
  if (probation.audited < AUDITS_OF_PROBATION)
    return down(standing, at, 'nobody looked at enough of what its new version did')
  const { probation: _over, ...proven } = standing
  return { standing: proven }
}

function takenBack(standing: Standing, happening: Happening & { what: 'taken-back' }, { highRisk }: Limits): Step {
  const { wrong, good = 0, unseen = 0, at } = happening
  if (!wrong) return { standing }
  const counted = { seen: standing.seen + unseen, good: Math.max(0, standing.good - good) }
  const marked = { ...standing, ...counted, calm: { decisions: 0, since: at } }
  return down(marked, at, 'something that it did was wrong and was taken back', highRisk ? 'approve' : undefined)
}

/** The last one that counted otherwise counts so. Nothing is looked at for it: the next look sees it. */
function corrected(standing: Standing, { good, at }: { good: boolean; at: number }): Standing {
  const other = standing.recent.lastIndexOf(good ? '0' : '1')
  const recent =
    other < 0
      ? standing.recent
      : standing.recent.slice(0, other) + (good ? '1' : '0') + standing.recent.slice(other + 1)
  const sum = Math.min(standing.seen, Math.max(0, standing.good + (good ? 1 : -1)))
  return { ...standing, good: sum, recent, evidenceAt: at }
}

/** Another version has to show again what the one before it did. */
function renewed(standing: Standing, { version, at }: { version: string; at: number }): Step {
  const { probation: _before, ...rest } = without(standing)
  const anew: Standing = { ...rest, version, seen: 0, good: 0, passes: 0, recent: '', evidenceAt: at }
  return {
    standing: isAbove(standing.rung, 'batch') ? { ...anew, probation: { left: PROBATION, audited: 0 } } : anew,
    ...(standing.proposed === undefined ? {} : { change: { kind: 'withdrawn' as const } }),
  }
}

/** T5. */
function beneath(standing: Standing, at: number, limits: Limits): Step | undefined {
  const top = topOf(limits)
  if (isAbove(standing.rung, top)) return down(standing, at, `it may go no higher than "${top}" now`, top)
  if (standing.proposed === undefined || !isAbove(standing.proposed, limits.ceiling)) return undefined
  return { standing: { ...without(standing), passes: 0 }, change: { kind: 'withdrawn' } }
}

/** The highest rung under a ceiling: a person may be asked under any. */
export function topOf({ ceiling }: Pick<Limits, 'ceiling'>): TrustRung {
  return isAbove(ceiling, 'approve') ? ceiling : 'approve'
}

function put(standing: Standing, { rung, at }: { rung: TrustRung; at: number }): Standing {
  return { ...standingAt(rung, standing.version, at), calm: standing.calm, ...kept(standing, rung) }
}

/** T4. What is open above is withdrawn; what was seen counts on. */
function returned(standing: Standing, { rung, at }: { rung: TrustRung; at: number }): Step {
  const asking: Standing = { ...without(standing), passes: 0, asksFirst: true }
  const change = standing.proposed === undefined ? {} : { change: { kind: 'withdrawn' as const } }
  if (!isAbove(standing.rung, rung)) return { standing: asking, ...change }
  const { calm, seen, good } = standing
  return { standing: { ...fresh(asking, rung, at), calm, seen, good }, ...change }
}

/** Begins anew: it asks each time, and nothing that was seen of the other counts. */
function reshaped(standing: Standing, at: number): Step {
  const { rung, calm, proposed } = standing
  const to = isAbove(rung, 'approve') ? 'approve' : rung
  const anew = { ...fresh(standing, to, at), calm }
  if (to !== rung)
    return { standing: anew, change: { kind: 'demoted', from: rung, to, why: 'it is defined otherwise' } }
  return { standing: anew, ...(proposed === undefined ? {} : { change: { kind: 'withdrawn' as const } }) }
}

/** A rung for each sixty days, also where nobody came by to see them pass. */
function idle(standing: Standing, at: number): Step {
  const times = Math.floor((at - Math.max(standing.evidenceAt, standing.since)) / (60 * DAY_MS))
  if (times < 1) return { standing }
  const to = RUNGS[Math.max(RUNGS.indexOf('approve'), RUNGS.indexOf(standing.rung) - times)]
  return down(standing, at, 'nobody has looked at what it does for 60 days', to)
}

function down(standing: Standing, at: number, why: string, to?: TrustRung): Step {
  const from = standing.rung
  if (!isAbove(from, 'approve')) {
    const { probation: _none, ...rest } = without(standing)
    const changed = standing.proposed === undefined ? {} : { change: { kind: 'withdrawn' as const } }
    return { standing: { ...rest, passes: 0 }, ...changed }
  }
  const lower = to ?? RUNGS[RUNGS.indexOf(from) - 1]!
  // Counted on, over all since the version: whoever starts to count anew tests again until it passes.
  const { calm, seen, good } = standing
  const next = { ...fresh(standing, lower, at), calm, seen, good }
  return { standing: next, change: { kind: 'demoted', from, to: lower, why } }
}

/** On a rung, with nothing shown yet. */
function fresh(standing: Standing, rung: TrustRung, at: number): Standing {
  return { ...standingAt(rung, standing.version, at), ...(standing.asksFirst === true ? { asksFirst: true } : {}) }
}

/** A promotion keeps what was shown, save what shadow showed: that was another kind of evidence. */
function kept(standing: Standing, rung: TrustRung): Partial<Standing> {
  if (!isAbove(rung, standing.rung) || standing.rung === 'shadow') return {}
  const { seen, good, recent, evidenceAt } = standing
  return { seen, good, recent, evidenceAt }
}

function without(standing: Standing): Omit<Standing, 'proposed'> {
  const { proposed: _gone, ...rest } = standing
  return rest
}

function percent(share: number): string {
  return `${Math.floor(share * 1000) / 10} %`
}

/** For people: what was simulated, and how it begins to ask. */
export function inShadowText(action: string, segment: string): string {
  return `${segment === 'all' || segment === '' ? action : `${action} (${segment})`} stands on "shadow"`
}

export const HOW_TO_ASK =
  "keelson.trust.set(action, 'approve', { by }) lets it ask, defineTrust(action, { start: 'approve' }) begins there"
