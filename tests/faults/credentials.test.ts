/** An effect whose credentials are refused: a person is asked for others, however often it had been tried. */
import { action, ActionError, policy } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { code } from '../support/open.ts'

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
