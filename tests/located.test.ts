/** Located: an error says where in a playbook it came from, and what it is for. */
import { action, definePlaybook, type Context } from '@keelson/core'
import { testConductor } from '@keelson/testing'
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
})
