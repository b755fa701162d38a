/** Located: an error says where in a playbook it came from, and what it is for. */
import { action, createConductor, definePlaybook, type Context } from '@keelson/core'
import { memoryStore, testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const facts = { effect: 'reversible', idempotency: { by: 'key' }, output: z.null() } as const
const send = action({
  name: 'mail.send',
  ...facts,
  input: z.object({ to: z.email() }),
  run: async () => ({ output: null }),
})
const other = action({ name: 'sms.send', ...facts, input: z.object({}), run: async () => ({ output: null }) })

async function failureOf(run: (ctx: Context) => Promise<unknown>): Promise<unknown> {
  const wrong = definePlaybook({
    name: 'wrong',
    version: 1,
    input: z.object({}),
    output: z.string(),
    uses: [send],
    run: async (ctx) => (await run(ctx)) as string,
  })
  const t = await testConductor({ playbooks: [wrong], actions: [send, other] })
  const failed = await (await t.start(wrong, {})).result().catch((thrown: unknown) => thrown)
  await t.stop()
  return failed
}
const here = (step: string) => ({ playbook: 'wrong@1', step, at: expect.stringContaining('located.test.ts') as string })

describe('an error of a playbook', () => {
  it('names the call whose input does not fit', async () => {
    const failed = await failureOf((ctx) => ctx.act(send, { to: 'nobody' }))
    expect(failed).toMatchObject({ code: 'INPUT_INVALID', data: here('mail.send') })
  })

  it('names the call of an action that uses does not name', async () => {
    const failed = await failureOf((ctx) => ctx.act(other, {}))
    expect(failed).toMatchObject({ code: 'ACTION_NOT_DECLARED', data: here('sms.send') })
  })

  it('names the playbook whose result does not fit', async () => {
    const failed = await failureOf(async () => undefined)
    expect(failed).toMatchObject({ code: 'OUTPUT_INVALID', data: { playbook: 'wrong@1', step: 'its result' } })
  })

  it('keeps what its cause says', async () => {
    const cause = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' })
    const failed = await failureOf((ctx) =>
      ctx.step(
        'fetch',
        () => {
          throw new TypeError('fetch failed', { cause })
        },
        { retry: { attempts: 1 } },
      ),
    )
    expect(failed).toMatchObject({ code: 'STEP_FAILED', message: 'fetch failed (connect ECONNREFUSED 127.0.0.1:1)' })
  })

  it('of plain code names the line that threw it, and keeps its name', async () => {
    const thrownAt = expect.stringMatching(/^at .*located\.test\.ts:\d+:\d+/) as string
    const between = await failureOf(async (ctx) => {
      const found = await ctx.step('look', (): { name?: string } => ({}))
      return found.name!.trim()
    })
    expect(between).toMatchObject({ code: 'STEP_FAILED', name: 'TypeError', data: { playbook: 'wrong@1', thrownAt } })
    const inside = await failureOf((ctx) =>
      ctx.step('look', () => JSON.parse('{') as string, { retry: { attempts: 1 } }),
    )
    expect(inside).toMatchObject({ code: 'STEP_FAILED', name: 'SyntaxError', data: { ...here('look'), thrownAt } })
  })

  it('names the line wherever the code of the host lies, and never that of a package', async () => {
    const frames = [
      'at parse (C:\\app\\node_modules\\letters\\index.js:1:1)',
      'at JSON.parse (<anonymous>)',
      'at write (/home/me/app/packages/core/src/letters.ts:3:5)',
      'at other (/home/me/app/other.ts:1:1)',
    ]
    const thrown = Object.assign(new Error('no'), { stack: ['Error: no', ...frames].join('\n    ') })
    expect(await failureOf(() => Promise.reject(thrown))).toMatchObject({ data: { thrownAt: frames[2] } })
  })

  it('is told with its line in `why` and in the log', async () => {
    const said: string[] = []
    const say = (_: object, text?: string): unknown => said.push(text ?? '')
    const broken = definePlaybook({
      name: 'broken',
      version: 1,
      input: z.object({}),
      output: z.null(),
      async run(ctx) {
        await ctx.step('often', () => Promise.reject(new Error('no answer')), { retry: { attempts: 2, first: '0s' } })
        return null
      },
    })
    const keelson = await createConductor({
      store: memoryStore(),
      playbooks: [broken],
      log: { info: () => undefined, warn: say, error: say },
    })
    const run = await keelson.start(broken, {}, { id: 'one' })
    await expect(run.result()).rejects.toThrow('no answer')
    const place = /\n\s+at .*located\.test\.ts:\d+:\d+\)?$/
    expect(await keelson.why(run.id)).toMatch(/\n\s+at .*located\.test\.ts:\d+:\d+\)?\n/)
    expect(said).toEqual([expect.stringMatching(place), expect.stringMatching(place)])
    await keelson.stop()
  })
})
