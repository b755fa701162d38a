/** What the operator corrects twice is put before the operator as a proposal, and measured once it is accepted. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { action, definePlaybook } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { me } from '../support/open.ts'

const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), text: z.string() }),
  output: z.object({}),
  intent: ({ to }) => ['mail', to],
  run: () => ({ output: {} }),
})

const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ to: z.string() }),
  output: z.object({}),
  uses: [send],
  async run(ctx, { to }) {
    await ctx.act(send, { to, text: 'Dear Sir' })
    return {}
  },
})

it('proposes a lesson when the same is corrected a second time, and counts repeats after it was accepted', async () => {
  const t = await testConductor({ playbooks: [write], actions: [send] })
  const { memory } = t.keelson
  const corrected = async (to: string, edit?: string): Promise<void> => {
    await t.start(write, { to })
    await t.approve(send, edit === undefined ? {} : { edit: { text: edit } })
  }
  await corrected('a', 'Hello')
  expect(await memory.learned()).toMatchObject([{ action: 'mail.send', what: 'text', status: 'noticed' }])
  expect((await t.inbox.list()).items).toEqual([])
  await corrected('b', 'Hello there')
  await t.settle()
  const [lesson] = await memory.learned()
  expect(lesson).toMatchObject({ status: 'proposed' })
  expect(await memory.facts()).toEqual([])
  await memory.changes.apply(lesson!.changeSet!, { by: me })
  const [preference] = await memory.facts()
  expect(preference).toMatchObject({
    kind: 'preference',
    load: 'always',
    evidence: lesson!.items.map((id) => ({ kind: 'item', id })),
  })
  expect(preference!.text).toContain('Dear Sir → Hello')
  await corrected('c')
  await corrected('d', 'Hi')
  expect(await memory.learned()).toMatchObject([
    { status: 'accepted', decisionsSince: 2, repeatsSince: 1, repeatRate: 0.5 },
  ])
  await t.stop()
})
