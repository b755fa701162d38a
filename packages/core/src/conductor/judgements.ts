/**
 * Judgements: what policy said of each effect at last, read from the journal in its order.
 *
 * J1. An effect is judged when it is asked for, again where the rules have changed, and just before it is sent: the last of these counts. It
 *     is told once the effect has ended, or the journal has.
 * J2. A read and a denial end with their only judgement.
 */
import type { Json } from '../base/value.ts'
import { dataOf, type Entry } from '../journal/entry.ts'
import type { EntryData } from '../journal/kinds.ts'
import { putsOf } from '../journal/records.ts'
import type { Persona } from '../policy/persona.ts'
import type { Settings } from '../policy/settings.ts'
import type { Judgement } from '../policy/verdict.ts'
import type { EffectRecord } from './effect/ledger.ts'
import type { ItemRecord } from './item.ts'

/** One effect as it was judged at last. */
export interface LastJudged {
  readonly effect: string
  readonly action: string
  readonly account: string
  readonly input: Json
  /** It was to be taken back. */
  readonly undo: boolean
  /** As whom it was asked for. */
  readonly persona: string | undefined
  readonly run: string
  readonly step: string
  readonly verdict: Judgement
  readonly at: number
  /** Which of all it was, in the order of asking. */
  readonly asked: number
  readonly settings: Settings
}

export class Judgements {
  readonly #open = new Map<string, LastJudged>()
  /** The effect of each run that executes one. */
  readonly #byRun = new Map<string, string>()
  readonly #personas = new Map<string, string>()
  #asked = 0

  /** The effects that end with this entry. */
  take(entry: Entry, settings: Settings): readonly LastJudged[] {
    if (entry.payload === null || !KINDS.test(entry.kind)) return []
    if (entry.kind === 'run.started') {
      const persona = actingIn(dataOf(entry as Entry & { kind: 'run.started' }))
      if (persona !== undefined) this.#personas.set(runOf(entry), persona)
    }
    const only = onlyJudged(entry)
    if (only !== undefined) return [{ ...only, undo: false, ...this.#place(entry), settings }]
    const records = putsOf(entry).flatMap((put) =>
      put.kind === 'effect' && put.data !== null ? [put.data as unknown as EffectRecord] : [],
    )
    for (const record of records) this.#know(entry, record, settings)
    this.#judgeAgain(entry, settings)
    return records.flatMap((record) => this.#end(record))
  }

  /** Those that have not ended. */
  rest(): readonly LastJudged[] {
    return [...this.#open.values()]
  }

  #place(entry: Entry): Pick<LastJudged, 'run' | 'step' | 'at' | 'asked' | 'persona'> {
    const run = runOf(entry)
    return { run, step: entry.key, at: entry.at, asked: this.#asked++, persona: this.#personas.get(run) }
  }

  #know(entry: Entry, record: EffectRecord, settings: Settings): void {
    const key = keyOf(record)
    const { id: effect, action, account, input, compensates, effectRun } = record
    const verdict = record.state === 'open' && !this.#open.has(key) ? begunWith(entry) : undefined
    if (verdict !== undefined) {
      const about = { effect, action, account, input, undo: compensates !== undefined, verdict, settings }
      this.#open.set(key, { ...about, ...this.#place(entry) })
    }
    const known = this.#open.get(key)
    if (known === undefined) return
    if (effectRun !== undefined) this.#byRun.set(effectRun, key)
    this.#open.set(key, { ...known, input })
  }

  #judgeAgain(entry: Entry, settings: Settings): void {
    const again = judgedAgain(entry)
    if (again === undefined) return
    const key = again.key ?? this.#byRun.get(runOf(entry)) ?? ''
    const known = this.#open.get(key)
    if (known !== undefined) this.#open.set(key, { ...known, verdict: again.verdict, at: entry.at, settings })
  }

  #end(record: EffectRecord): LastJudged[] {
    const key = keyOf(record)
    const known = this.#open.get(key)
    if (record.state === 'open' || known === undefined) return []
    this.#open.delete(key)
    if (record.effectRun !== undefined) this.#byRun.delete(record.effectRun)
    return [known]
  }
}

/** Entries that judge, or tell of an effect. */
const KINDS = /^(effect|ask)\.|^run\.(started|settled)$/

function keyOf({ id, generation }: Pick<EffectRecord, 'id' | 'generation'>): string {
  return `${id}:${generation}`
}

/** The nearest persona of a run. */
function actingIn({ personas, persona }: EntryData['run.started']): string | undefined {
  const name = (personas as unknown as readonly Persona[] | undefined)?.at(-1)?.name ?? persona
  return name === '' ? undefined : name
}

function isJudgement(value: unknown): value is Judgement {
  return typeof (value as Partial<Judgement> | undefined)?.policy === 'string'
}

/** What policy said as an effect was asked for; nothing of one that was joined. */
function begunWith(entry: Entry): Judgement | undefined {
  if (entry.kind !== 'effect.sending' && entry.kind !== 'effect.opened') return undefined
  const data = dataOf(entry as Entry & { kind: 'effect.sending' })
  const verdict: unknown = data.judged ?? data.verdict
  return isJudgement(verdict) ? verdict : undefined
}

type Only = Pick<LastJudged, 'effect' | 'action' | 'account' | 'input' | 'verdict'>

/** J2. */
function onlyJudged(entry: Entry): Only | undefined {
  if (entry.kind !== 'effect.completed') return undefined
  return dataOf(entry as Entry & { kind: 'effect.completed' }).judged as unknown as Only | undefined
}

/** What policy said of an effect since: just before it was sent, or under other rules. Without a key, of the effect of this run. */
function judgedAgain(entry: Entry): { readonly verdict: Judgement; readonly key?: string } | undefined {
  const of = (verdict: unknown): { verdict: Judgement } | undefined => (isJudgement(verdict) ? { verdict } : undefined)
  switch (entry.kind) {
    case 'effect.sending': {
      const { judged, verdict, effect, generation } = dataOf(entry as Entry & { kind: 'effect.sending' })
      const again = of(judged ?? verdict)
      return again === undefined ? undefined : { ...again, key: keyOf({ id: effect, generation }) }
    }
    case 'effect.completed': {
      const { ok } = dataOf(entry as Entry & { kind: 'effect.completed' })
      return of((ok as { verdict?: unknown } | null | undefined)?.verdict)
    }
    case 'ask.judged': {
      const item = putsOf(entry).find((put) => put.kind === 'inbox')?.data as unknown as ItemRecord | undefined
      return of(item?.verdict)
    }
    case 'ask.completed': {
      const { ok } = dataOf(entry as Entry & { kind: 'ask.completed' })
      const { decision } = (ok ?? {}) as { decision?: { judged?: unknown } | null }
      return of(decision?.judged)
    }
    default:
      return undefined
  }
}

function runOf({ stream }: Entry): string {
  return stream.replace(/^run:/, '').replace(/:\d+$/, '')
}
