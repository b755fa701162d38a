/** What a run still waited for when it ended was closed with it: where the run goes on after all, it waits anew. */
import { defineEvent, type Context } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { code, me as by } from '../support/open.ts'

const seen = defineEvent({ name: 'seen', schema: z.object({}) })

type Waits = (ctx: Context) => Promise<unknown>
const waits: Waits = (ctx) => ctx.waitFor(seen)
const waitsAnHour: Waits = (ctx) => ctx.waitFor(seen, { timeout: '1h' })
const asks: Waits = (ctx) => ctx.approve('well?')

/** A run that has failed at its first try to pay; until then it waits beside that, before or behind its checkpoint. */
async function failed(waiting: Waits, where: 'before' | 'behind') {
  let tries = 0
  const work = code(async (ctx: Context) => {
    const early = where === 'before' ? waiting(ctx) : undefined
    await ctx.sleep('1m')
    await ctx.checkpoint('here')
    const late = where === 'behind' ? waiting(ctx) : undefined
    const pay = (): string => {
      if (++tries === 1) throw new Error('no')
      return 'paid'
    }
    const paid = await ctx.step('pay', pay, { retry: { attempts: 1 } })
    await (early ?? late)
    return paid
  })
  const t = await testConductor({ playbooks: [work] })
  const run = await t.start(work, {})
  await t.advance('2m')
  expect(await run.status()).toMatchObject({ state: 'failed' })
  return { t, run }
}

describe('a run that failed while it waited, and is tried again', () => {
  it.each([
    ['an event, before its checkpoint', waits, 'before'],
    ['an event, behind its checkpoint', waits, 'behind'],
    ['an event for an hour, before its checkpoint', waitsAnHour, 'before'],
    ['an event for an hour, behind its checkpoint', waitsAnHour, 'behind'],
    ['an answer, before its checkpoint', asks, 'before'],
    ['an answer, behind its checkpoint', asks, 'behind'],
  ] as const)('waits anew: for %s', async (_what, waiting, where) => {
    const { t, run } = await failed(waiting, where)
    if (waiting === waitsAnHour) await t.advance('2h')
    await t.host((keelson) => keelson.runs.restart(run.id, { checkpoint: 'here', by }))
    await t.advance('1m')
    const [item] = (await t.inbox.list()).items
    if (waiting === asks)
      await t.host((keelson) => keelson.inbox.decide(item!.id, { hash: item!.hash, by, approve: true }))
    else await t.host((keelson) => keelson.send(seen, {}, { id: 'seen' }))
    await t.advance('1m')
    expect(await run.status()).toMatchObject({ state: 'completed' })
    await t.stop()
  })
})
