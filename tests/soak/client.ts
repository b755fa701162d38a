/** Client: a web process of sorts: starts runs, sends events, decides, takes back; and remembers what was acknowledged. */
import { createConductor, type Conductor, type InboxItem, type Json, type MemoryStore, type Run } from '@keelson/core'
import type { Done, World } from './world.ts'
import { amountOf, approves, operator, paid, playbooksOn, takesBack, type Outcome } from './playbooks.ts'

export interface Acknowledged {
  readonly starts: Set<number>
  readonly sends: Set<number>
  /** Orders by what was decided about them. */
  readonly closed: Map<number, boolean>
  readonly pages: Set<number>
  readonly reverts: Set<number>
}

/** Orders that are open at once. */
const AT_ONCE = 12
/** The longest that an event comes before, or after, its run waits for it. */
const SEND_MS = 400

export class Client {
  readonly acknowledged: Acknowledged = {
    starts: new Set(),
    sends: new Set(),
    closed: new Map(),
    pages: new Set(),
    reverts: new Set(),
  }
  readonly results = new Map<number, Outcome>()
  /** What a call came to that was to succeed. */
  readonly refused: string[] = []
  readonly conductor: Conductor
  quarantined = 0
  /** Effects of which it was asked whether they had happened. */
  unknown = 0
  readonly #order: ReturnType<typeof playbooksOn>['order']
  readonly #random: () => number
  readonly #store: MemoryStore
  readonly #effects: readonly Done[]
  #next = 1
  #ending = false
  #deciding: Promise<void>
  readonly #leave = new AbortController()

  private constructor(
    conductor: Conductor,
    store: MemoryStore,
    order: ReturnType<typeof playbooksOn>['order'],
    random: () => number,
    effects: readonly Done[],
  ) {
    this.conductor = conductor
    this.#store = store
    this.#effects = effects
    this.#order = order
    this.#random = random
    this.#deciding = this.#decide()
  }

  /** `world`: at `url`; what was done there answers for effects that nobody heard of. */
  static async open(store: MemoryStore, world: Pick<World, 'url' | 'effects'>, random: () => number): Promise<Client> {
    const { order, playbooks, rules } = playbooksOn(world.url)
    const log = { info() {}, warn() {}, error() {} }
    const conductor = await createConductor({ store, playbooks, policy: rules, work: false, name: 'client', log })
    return new Client(conductor, store, order, random, world.effects)
  }

  /** Every run that is open: how its row stands, and what it waits for. */
  async waiting(): Promise<string[]> {
    const rows = await this.#store.runs('default', { state: 'open', limit: 500 })
    return Promise.all(
      rows.map(async ({ id, state, worker, deaths, claims, epoch }) => {
        const why = await this.conductor.why(id).catch(String)
        return `${why} (${state}; worker ${worker ?? 'none'}, epoch ${epoch}, ${claims} claims, ${deaths} deaths)`
      }),
    )
  }

  /** Serves one order after the other, several at once, until told to end; resolves when all have ended. */
  async serve(): Promise<void> {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (!this.#ending) await this.#serve(this.#next++)
      }),
    )
  }

  /** Begins no new order. */
  finish(): void {
    this.#ending = true
  }

  async close(): Promise<void> {
    this.#leave.abort()
    await this.#deciding
    await this.conductor.stop()
  }

  async #serve(n: number): Promise<void> {
    const run = await this.conductor.start(this.#order, { n }, { id: `order ${n}`, by: operator })
    this.acknowledged.starts.add(n)
    await Promise.all([this.#pay(n), this.#watch(n, run)])
    if (takesBack(n)) await this.#takeBack(n)
  }

  async #pay(n: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, this.#random() * SEND_MS))
    await this.conductor.send(paid, { order: n, amount: amountOf(n) }, { id: `paid ${n}`, by: operator })
    this.acknowledged.sends.add(n)
    // Sent again, it is the same event.
    if (n % 7 === 0) await this.conductor.send(paid, { order: n, amount: amountOf(n) }, { id: `paid ${n}` })
  }

  async #watch(n: number, run: Run<Outcome>): Promise<void> {
    try {
      this.results.set(n, await run.result())
    } catch (error) {
      this.refused.push(`order ${n} ended with ${String(error)}`)
    }
  }

  async #takeBack(n: number): Promise<void> {
    const { revert } = this.conductor
    const [publish] = (await revert.plan({ run: `order ${n}` })).lines.filter(
      (line) => line.kind === 'effect' && line.action === 'site.publish',
    )
    if (publish === undefined) return void this.refused.push(`order ${n} published nothing that can be taken back`)
    const plan = await revert.plan({ effect: publish.id })
    const run = await revert.apply(plan, { by: operator })
    const { undone, failed } = await run.result()
    if (undone.length !== 1 || failed.length > 0) this.refused.push(`order ${n}: ${JSON.stringify({ undone, failed })}`)
    this.acknowledged.reverts.add(n)
  }

  async #decide(): Promise<void> {
    const decided = new Map<string, InboxItem>()
    for await (const item of this.conductor.inbox.watch({ signal: this.#leave.signal })) {
      if (decided.has(item.id)) this.refused.push(`item ${item.title} was shown again after its decision`)
      decided.set(item.id, item)
      await this.#answer(item)
    }
  }

  async #answer(item: InboxItem): Promise<void> {
    const { id, hash } = item
    const by = operator
    if (item.kind === 'attention' && item.code === 'RUN_QUARANTINED') {
      // Killed alone again and again before it did anything: by chance here, so it may go on.
      this.quarantined++
      return void (await this.conductor.inbox.decide(id, { hash, by, retry: true }))
    }
    if (item.kind === 'outcome-unknown') {
      this.unknown++
      const told = await this.conductor.inbox.decide(id, { hash, by, ...saidOf(item, this.#effects) })
      if (told.status !== 'done') this.refused.push(`${item.kind} "${item.title}": ${told.why}: ${told.message}`)
      return
    }
    const n = Number(/\d+/.exec(item.kind === 'approval' ? JSON.stringify(item.input) : item.title)?.[0])
    const yes = item.kind === 'approval' || approves(n)
    const decided = await this.conductor.inbox.decide(id, {
      hash,
      by,
      ...(yes ? { approve: true } : { reject: 'not this one' }),
    })
    if (decided.status !== 'done') this.refused.push(`${item.kind} "${item.title}": ${decided.why}: ${decided.message}`)
    else if (item.kind === 'approval') this.acknowledged.pages.add(n)
    else this.acknowledged.closed.set(n, yes)
  }
}

type Said = { outcome: 'happened'; output: Json } | { outcome: 'did-not-happen' | 'look-again' }

/**
 * Whether it happened, as the world knows. What is not there may be on its way: a dispatch is looked for anew, and of all else
 * the world takes a second call for the first.
 */
export function saidOf({ action, key }: { action: string; key: string }, effects: readonly Done[]): Said {
  const done = effects.find((one) => one.key === key)
  if (done !== undefined) return { outcome: 'happened', output: done.verb === 'unpublish' ? null : { ref: done.ref } }
  return { outcome: action === 'post.dispatch' ? 'look-again' : 'did-not-happen' }
}
