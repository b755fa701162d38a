/** Playbooks: what a soak runs: steps, branches, timers, a child, an event, a question, and effects of three kinds. */
import { z } from 'zod'
import { action, ActionError, defineEvent, definePlaybook, policy, type Actor } from '@keelson/core'
import type { Verb } from './world.ts'

export const operator: Actor = { kind: 'person', id: 'operator' }
export const paid = defineEvent({ name: 'paid', schema: z.object({ order: z.number(), amount: z.number() }) })

/** For so long one process looks for a dispatch before it did not happen. */
export const SETTLE_MS = 3000

const Order = z.object({ n: z.number() })
const Place = z.object({ order: z.number() })
const Ref = z.object({ ref: z.string() })
const PARTS = ['hull', 'mast', 'sail']

/** What the world is asked; a connection that broke leaves it open what happened. */
async function askWorld(url: string, verb: Verb, order: number, key: string, signal: AbortSignal) {
  const body = JSON.stringify({ verb, order, key })
  try {
    const response = await fetch(url, { method: 'POST', body, signal })
    return (await response.json()) as { ref: string } | null
  } catch (error) {
    throw new ActionError({ class: 'unknown' }, `the world hung up on ${verb}`, { cause: error })
  }
}

function actionsOn(url: string) {
  const asked = async (verb: Verb, order: number, o: { key: string; signal: AbortSignal }) => ({
    output: (await askWorld(url, verb, order, o.key, o.signal))!,
  })
  // A try that was killed is a try: so many kills would otherwise leave some effect to a person.
  const common = { input: Place, output: Ref, timeout: '2s' as const, settleWindowMs: SETTLE_MS, attempts: 50 }
  const charge = action({
    ...common,
    name: 'bank.charge',
    effect: 'irreversible',
    idempotency: { by: 'key' },
    run: ({ order }, o) => asked('charge', order, o),
  })
  const dispatch = action({
    ...common,
    name: 'post.dispatch',
    effect: 'irreversible',
    idempotency: { by: 'lookup' },
    run: ({ order }, o) => asked('dispatch', order, o),
    async reconcile({ order }, { key, signal }) {
      const found = await askWorld(url, 'look', order, key, signal)
      return found === null ? { state: 'not-found' } : { state: 'done', output: found }
    },
  })
  const publish = action({
    ...common,
    name: 'site.publish',
    effect: 'reversible',
    idempotency: { by: 'precondition' },
    undo: z.object({ order: z.number() }),
    run: async ({ order }, o) => ({ ...(await asked('publish', order, o)), undo: { order } }),
    compensate: async ({ order }, { key, signal }) => void (await askWorld(url, 'unpublish', order, key, signal)),
  })
  return { charge, dispatch, publish }
}

export const Outcome = z.object({
  price: z.number(),
  picked: z.array(z.string()),
  charged: z.string(),
  parcel: z.string(),
  amount: z.number(),
  approved: z.boolean(),
  page: z.string().nullable(),
})
export type Outcome = z.output<typeof Outcome>

/** What a run comes to; refs are for the world to say. */
export function expected(n: number): Omit<Outcome, 'charged' | 'parcel' | 'page'> {
  return {
    price: n * 7,
    picked: PARTS.map((part) => `${part} ${n}`),
    amount: amountOf(n),
    approved: approves(n),
  }
}

export const amountOf = (n: number): number => n * 7 + (n % 3)
export const approves = (n: number): boolean => n % 4 !== 0
/** Orders whose page is taken back once they have ended. */
export const takesBack = (n: number): boolean => approves(n) && n % 5 === 0

export function playbooksOn(url: string) {
  const { charge, dispatch, publish } = actionsOn(url)
  const ship = definePlaybook({
    name: 'ship',
    version: 1,
    input: Order,
    output: Ref,
    uses: [dispatch],
    async run(ctx, { n }) {
      await ctx.step('pack', () => n)
      const sent = await ctx.act(dispatch, { order: n })
      await ctx.sleep('0.03s')
      return sent
    },
  })
  const order = definePlaybook({
    name: 'order',
    version: 1,
    input: Order,
    output: Outcome,
    uses: [charge, publish],
    async run(ctx, { n }) {
      const price = await ctx.step('price', () => n * 7)
      const picked = await ctx.all(
        PARTS,
        (part) => part,
        async (own, part) => {
          await own.sleep('0.05s')
          const pick = ({ attempt }: { attempt: number }): string => {
            if (attempt === 1 && n % 6 === 0) throw new Error('dropped it')
            return `${part} ${n}`
          }
          return own.step('pick', pick, { retry: { first: '0.02s' } })
        },
      )
      const charged = await ctx.act(charge, { order: n })
      const parcel = await ctx.call(ship, { n })
      const { amount } = await ctx.waitFor(paid, { match: { order: n } })
      const approved = await ctx.approve(`Close order ${n}?`)
      const page = approved ? (await ctx.act(publish, { order: n })).ref : null
      return { price, picked, charged: charged.ref, parcel: parcel.ref, amount, approved, page }
    },
  })
  const rules = policy([
    policy.rule('known', { on: [charge, dispatch] }, () => policy.allow()),
    policy.rule('pages', { on: publish }, () => policy.ask({ reason: 'a page goes live' })),
  ])
  return { order, ship, rules, playbooks: [order, ship] }
}
