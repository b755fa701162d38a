/** An effect whose credentials are refused: a person is asked for others, however often it had been tried. */
import { action, ActionError, defineConnector, policy } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { code, me } from '../support/open.ts'

it.each([
  [1, 0],
  [2, 1],
  [5, 4],
])('waits for other credentials with %i tries allowed, %i of which had failed', async (attempts, failures) => {
  let tries = 0
  const pay = action({
    ...{
      name: 'bank.pay',
      effect: 'irreversible',
      idempotency: { by: 'lookup' },
      input: z.object({}),
      output: z.object({}),
    },
    ...{ settleWindowMs: 1000, attempts },
    run() {
      throw ++tries <= failures
        ? new ActionError({ class: 'retry' }, '503')
        : new ActionError({ class: 'reauth' }, '401')
    },
    reconcile: () => Promise.resolve({ state: 'not-found' }),
  })
  const pays = code((ctx) => ctx.act(pay, {}))
  const gate = policy([policy.rule('free', { on: pay }, () => policy.allow())])
  const t = await testConductor({ playbooks: [pays], actions: [pay], policy: gate })
  const run = await t.start(pays, {})
  await t.advance('1h')
  expect(await run.status()).toMatchObject({ state: 'waiting' })
  expect((await t.inbox.list()).items.map(({ title }) => title)).toEqual(['bank.pay needs new credentials: 401'])
  await t.stop()
})

const CREDENTIALS = 'bank.pay needs new credentials: '

describe.each(['key', 'id', 'precondition', 'lookup', 'none'] as const)('an effect that is told apart by %s', (by) => {
  /** It was let out at once, and refused; `key`: what the bank takes. */
  async function refused({ throws = false } = {}) {
    const bank = { key: 'old', paid: 0, calls: 0 }
    const known = (given: string): void => {
      bank.calls++
      if (given !== bank.key) throw new ActionError({ class: 'reauth' }, '401')
    }
    const shape = { name: 'bank.pay', effect: 'irreversible', input: z.object({}), output: z.object({}) } as const
    const run = (_input: object, { config }: { config: unknown }) => {
      known(config as string)
      bank.paid++
      return { output: {} }
    }
    const reconcile = (_input: object, { config }: { config: unknown }) => {
      known(config as string)
      return Promise.resolve({ state: 'not-found' } as const)
    }
    const pay =
      by === 'lookup'
        ? action({ ...shape, idempotency: { by }, run, reconcile })
        : action({ ...shape, idempotency: { by }, run })
    const vault = { key: throws ? undefined : 'stolen' }
    const connector = defineConnector({
      ...{ name: 'bank', actions: { pay } },
      open: (_options: object | undefined, { credential }) => credential,
    })
    const pays = code((ctx) => ctx.act(pay, {}))
    const t = await testConductor({
      ...{ playbooks: [pays], connectors: [connector.connect()] },
      policy: policy([policy.rule('free', { on: pay }, () => policy.allow())]),
      credentials: async () => vault.key ?? Promise.reject(new Error('the vault is sealed')),
    })
    const started = await t.start(pays, {})
    await t.advance('1s')
    const [item, ...others] = (await t.inbox.list()).items
    expect(others).toEqual([])
    return { t, run: started, bank, vault, item: item! }
  }

  it.each([
    ['are refused', false],
    ['cannot be had', true],
  ])('and whose credentials %s waits for others, has not happened, and goes once with them', async (_why, throws) => {
    const { t, run, bank, vault, item } = await refused({ throws })
    expect(item).toMatchObject({ kind: 'attention', allows: ['retry', 'delegate'] })
    expect(item.title).toContain(CREDENTIALS)
    expect(bank).toMatchObject({ paid: 0, calls: throws ? 0 : 2 }) // once by its caller, once by its own run
    vault.key = 'old'
    await t.host((keelson) => keelson.inbox.decide(item.id, { hash: item.hash, by: me, retry: true }))
    expect(await run.status()).toMatchObject({ state: 'completed' })
    expect(bank).toMatchObject({ paid: 1, calls: throws ? 1 : 3 })
    await t.stop()
  })

  it('goes with its caller while it waits for others', async () => {
    const { t, run, bank } = await refused()
    await t.host((keelson) => keelson.runs.cancel(run.id, { by: me, reason: 'no longer wanted' }))
    expect((await t.inbox.list()).items).toEqual([])
    expect((await t.keelson.runs.list({ state: 'open' })).runs).toEqual([])
    expect(bank.paid).toBe(0)
    await t.stop()
  })
})
