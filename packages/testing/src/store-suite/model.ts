/** Checks against a tiny model: any sequence of operations has the same answers, and leaves whole chains. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assertChained, chain, EMPTY_HEAD, headOf, type Entry, type Lease, type MemoryStore } from '@keelson/core/ports'
import { delivery, entries, newRun, parked, put, query, rowOf, settled, W } from './rows.ts'
import { openDesk, type StoreSuite } from './subject.ts'

export function checkModel(suite: StoreSuite): void {
  describe('any sequence', () => {
    it('of units answers as the model does, and leaves whole chains (S1, S2)', () =>
      sequence(suite, unitStep, unitModel))
    it('of starts, deliveries, claims and commits does (S3, S4, S5)', () => sequence(suite, runStep, runModel))
  })
}

type Model<S> = () => (store: MemoryStore, step: S) => Promise<void>

/** Plays random steps on a fresh store; the model compares each answer with its own. */
async function sequence<S>(suite: StoreSuite, step: fc.Arbitrary<S>, model: Model<S>): Promise<void> {
  const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
    const subject = await suite.open()
    try {
      const { store } = await openDesk(subject)
      const play = model()
      for (const each of steps) await play(store, each)
      const all = await store.tail(W, 0, 10_000)
      for (const stream of new Set(all.map((entry) => entry.stream))) {
        const own = await store.entries(W, stream)
        assertChained(W, own, EMPTY_HEAD)
        expect(all.filter((entry) => entry.stream === stream)).toEqual(own)
      }
    } finally {
      await subject.close()
    }
  })
  await fc.assert(property, { numRuns: 60 })
}

/* units: streams and records */

const name = fc.constantFrom('a', 'b', 'c')
const unitStep = fc.record({
  appends: fc.array(fc.record({ stream: name, slip: fc.constantFrom(0, 0, 0, 1, -1) }), { maxLength: 2 }),
  puts: fc.uniqueArray(fc.record({ id: name, slip: fc.constantFrom(0, 0, 0, 1, -1), ends: fc.boolean() }), {
    maxLength: 2,
    selector: ({ id }) => id,
  }),
})
type UnitStep = typeof unitStep extends fc.Arbitrary<infer S> ? S : never

const unitModel: Model<UnitStep> = () => {
  const versions = new Map<string, number>()
  const streams = new Map<string, Entry[]>()
  return async (store, { appends, puts }) => {
    const next = new Map([...streams].map(([stream, own]) => [stream, [...own]]))
    const conflicts = puts.some(({ slip }) => slip !== 0) || appends.some(({ slip }) => slip !== 0)
    const written = appends.map(({ stream, slip }) => {
      const own = next.get(stream) ?? []
      const { seq, hash } = headOf(own)
      const entry = oneEntry(stream, seq + slip, hash)
      next.set(stream, [...own, entry])
      return entry
    })
    const records = puts.map(({ id, slip, ends }) =>
      put(id, (versions.get(id) ?? 0) + 1 + slip, ends ? { data: null } : {}),
    )
    const answer = await store.write(W, { entries: written, records })
    expect(answer.status).toBe(conflicts ? 'conflict' : 'done')
    if (!conflicts) {
      for (const [stream, own] of next) streams.set(stream, own)
      for (const { id, version, data } of records) versions.set(id, data === null ? 0 : version)
    }
    const found = await store.records(W, { kind: 'thing', limit: 9 })
    const kept = [...versions].filter(([, version]) => version > 0).sort(([a], [b]) => (a < b ? -1 : 1))
    expect(found.map(({ id, version }) => [id, version])).toEqual(kept)
    for (const [stream, own] of streams) expect(await store.entries(W, stream)).toHaveLength(own.length)
  }
}

function oneEntry(stream: string, seq: number, hash: string): Entry {
  const draft = { kind: 'checkpoint.completed' as const, data: { ok: seq } }
  return chain(W, stream, { seq, hash }, [draft], 1000, () => 'salt')[0]!
}

/* runs: their state, mail and leases */

const run = fc.constantFrom('r', 'q')
const runStep = fc.oneof(
  fc.record({ op: fc.constant('start' as const), run }),
  fc.record({ op: fc.constant('deliver' as const), run, key: fc.constantFrom('1', '2', '3', '4') }),
  fc.record({ op: fc.constant('claim' as const) }),
  fc.record({
    op: fc.constant('commit' as const),
    run,
    next: fc.constantFrom('none', 'park', 'park', 'due', 'settle'),
    stale: fc.constantFrom(false, false, true),
    sees: fc.boolean(),
  }),
)
type RunStep = typeof runStep extends fc.Arbitrary<infer S> ? S : never

interface Tracked {
  state: 'due' | 'parked' | 'settled'
  lease?: Lease | undefined
  epoch: number
  seq: number
  hash: string
  keys: Set<string>
  /** Keys that the lease was not shown. */
  unseen: number
}

const runModel: Model<RunStep> = () => {
  const model = new Map<string, Tracked>()
  return async (store, step) => {
    if (step.op === 'start') await playStart(store, model, step.run)
    else if (step.op === 'deliver') await playDelivery(store, model, step.run, step.key)
    else if (step.op === 'claim') await playClaim(store, model)
    else await playCommit(store, model, step)
    for (const [id, { state, epoch, lease }] of model) {
      expect(await rowOf(store, id)).toMatchObject({ state, epoch, worker: lease === undefined ? null : 'one' })
    }
  }
}

async function playStart(store: MemoryStore, model: Map<string, Tracked>, id: string): Promise<void> {
  const answer = await store.write(W, { starts: [newRun(id)] })
  expect(answer).toEqual({ status: 'done', refused: model.has(id) ? [{ start: id, why: 'exists' }] : [] })
  if (model.has(id)) return
  model.set(id, { state: 'due', epoch: 0, keys: new Set(), unseen: 0, ...headOf(entries(`${id}/0`, 1)) })
}

async function playDelivery(store: MemoryStore, model: Map<string, Tracked>, id: string, key: string): Promise<void> {
  const known = model.get(id)
  const why = !known ? 'unknown' : known.keys.has(key) ? 'duplicate' : known.state === 'settled' ? 'closed' : undefined
  const answer = await store.write(W, { deliveries: [delivery(id, key)] })
  expect(answer).toEqual({ status: 'done', refused: why === undefined ? [] : [{ delivery: key, why }] })
  if (why !== undefined || known === undefined) return
  known.keys.add(key)
  if (known.lease !== undefined) known.unseen++
  else known.state = 'due'
}

async function playClaim(store: MemoryStore, model: Map<string, Tracked>): Promise<void> {
  const { claimed } = await store.claim(query('one'))
  const free = [...model].filter(([, { state, lease }]) => state === 'due' && lease === undefined).map(([id]) => id)
  expect(claimed.map(({ row }) => row.id).sort()).toEqual(free.sort())
  for (const { lease, entries, mail } of claimed) {
    const known = model.get(lease.run)!
    expect([lease.epoch, headOf(entries).seq, mail.length]).toEqual([known.epoch + 1, known.seq, known.keys.size])
    Object.assign(known, { lease, epoch: lease.epoch, unseen: 0 })
  }
}

type CommitStep = Extract<RunStep, { op: 'commit' }>

async function playCommit(store: MemoryStore, model: Map<string, Tracked>, step: CommitStep): Promise<void> {
  const known = model.get(step.run)
  const own = { workspace: W, run: step.run, worker: 'one', epoch: (known?.epoch ?? 1) - (step.stale ? 1 : 0) }
  const holds = known?.lease !== undefined && !step.stale
  const mail = holds ? await store.mail(own, 0) : []
  const seenMail = (step.sees ? mail : mail.slice(0, mail.length - (known?.unseen ?? 0))).at(-1)?.row ?? 0
  const entry = oneEntry(`${step.run}/0`, known?.seq ?? 0, known?.hash ?? '')
  const next = { none: {}, park: { next: parked(null, seenMail) }, settle: { next: settled }, due: { next: due } }[
    step.next
  ]
  const answer = await store.commit(own, { entries: [entry], ...next })
  expect(answer).toEqual(holds ? { status: 'done', refused: [] } : { status: 'fenced' })
  if (!holds) return
  Object.assign(known, { seq: entry.seq, hash: entry.hash })
  if (step.next === 'none') return
  known.lease = undefined
  if (step.next === 'settle') known.state = 'settled'
  if (step.next === 'park') known.state = known.unseen > 0 && !step.sees ? 'due' : 'parked'
}

const due = { to: 'due', status: '""', at: 1000 } as const
