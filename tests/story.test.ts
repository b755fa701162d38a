/** The story of a run, and the log's line of a hold: in plain words. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { action, definePlaybook, policy } from '@keelson/core'
import { testConductor } from '@keelson/testing'

const by = { kind: 'person', id: 'ann' } as const

function letters() {
  const send = action({
    name: 'letter.send',
    effect: 'reversible',
    idempotency: { by: 'key' },
    input: z.object({ to: z.string() }),
    output: z.null(),
    undo: z.object({}),
    run: () => ({ output: null, undo: {} }),
    compensate: () => {},
  })
  const write = definePlaybook({
    name: 'write',
    version: 1,
    input: z.object({}),
    output: z.null(),
    uses: [send],
    run: (ctx) => ctx.act(send, { to: 'ada' }),
  })
  return { send, write, gate: policy([policy.rule('second thoughts', { on: send }, () => policy.hold('10m'))]) }
}

it('says of a hold when it goes out, that it was put off, and that its time came', async () => {
  const { send, write, gate } = letters()
  const t = await testConductor({ playbooks: [write], actions: [send], policy: gate })
  const dueAts: (string | undefined)[] = []
  t.keelson.on('item.opened', ({ dueAt }) => dueAts.push(dueAt))
  const run = await t.start(write, {})
  await t.reschedule(send, '1h')
  await t.advance('2h')
  expect(dueAts).toEqual(['2026-01-05T09:10:00.000Z'])
  const story = (await t.keelson.audit.story(run.id)).map((line) => line.replace(/^\S+ {2}/, ''))
  expect(story.map((line) => line.replace(/effect [\w-]{8}/, 'effect …'))).toEqual([
    'keelson started write@1',
    'asked for letter.send, which cannot be sent at once (effect …)',
    '  Held: letter.send (second thoughts): goes out by itself at 2026-01-05T09:10:00.000Z, unless it is stopped',
    '  put to another time: goes out by itself at 2026-01-05T10:00:00.000Z, unless it is stopped',
    '  its time came, and nobody had stopped it',
    '  sends letter.send (try 1), second thoughts',
    '  executed',
    'letter.send was done',
    'ended: completed',
  ])
})

it('tells what was taken back as taken back', async () => {
  const { send, write } = letters()
  const t = await testConductor({ playbooks: [write], actions: [send] })
  const run = await t.start(write, {})
  await t.approve(send)
  const plan = await t.keelson.revert.plan({ run: run.id })
  const reverting = await t.host((keelson) => keelson.revert.apply(plan, { by }))
  const story = (await t.keelson.audit.story(reverting.id)).join('\n')
  expect(story).toMatch(
    /takes back letter\.send \(effect .{8}\)\n.+takes letter\.send back \(try 1\)\n.+ {4}taken back\n/,
  )
  expect(story).not.toMatch(/sends|no rule covers|executed/)
})

it('says whom a question went on to, rung by rung, and that it reminded', async () => {
  const { send, write } = letters()
  const escalate = [
    { after: '1h', to: 'lead' },
    { after: '3h', to: { kind: 'person', id: 'bob', name: 'Bob' }, via: 'pager' },
  ] as const
  const gate = policy([policy.rule('eyes', { on: send }, () => policy.ask({ escalate }))])
  const asks = definePlaybook({
    name: 'asks',
    version: 1,
    input: z.object({}),
    output: z.boolean(),
    run: (ctx) => ctx.approve('Really?', { escalate }),
  })
  const channels = { pager: () => {} }
  const t = await testConductor({ playbooks: [write, asks], actions: [send], policy: gate, channels })
  for (const playbook of [write, asks]) {
    const run = await t.start(playbook, {})
    for (const time of ['1h', '2h', '1d'] as const) await t.advance(time)
    const lines = (await t.keelson.audit.story(run.id)).map((line) => line.replace(/^\S+ +/, ''))
    expect(lines.filter((line) => line.startsWith('asked'))).toHaveLength(playbook === write ? 2 : 1)
    expect(lines.filter((line) => line.startsWith('nobody'))).toEqual([
      'nobody had answered: it went on to lead (rung 1 of 2)',
      'nobody had answered: it went on to Bob, told by pager (rung 2 of 2)',
      'nobody had answered: reminded of it',
    ])
  }
  await t.stop()
})

it('says of a run that was taken back which run did that, and of one that was not nothing', async () => {
  const { send, write } = letters()
  const t = await testConductor({ playbooks: [write], actions: [send] })
  const [run, other] = [await t.start(write, {}), await t.start(write, {})]
  await t.approve(send)
  await t.advance('1h')
  const before = await t.keelson.audit.story(run.id)
  expect(before.at(-1)).toContain('ended: completed')
  const plan = await t.keelson.revert.plan({ run: run.id })
  const reverting = await t.host((keelson) => keelson.revert.apply(plan, { by }))
  const story = await t.keelson.audit.story(run.id)
  expect(story.slice(0, -1)).toEqual(before)
  expect(story.at(-1)).toBe(`2026-01-05T10:00:00.000Z  taken back since, by run ${reverting.id}: letter.send`)
  expect((await t.keelson.audit.story(other.id)).join()).not.toContain('taken back')
  await t.stop()
})
