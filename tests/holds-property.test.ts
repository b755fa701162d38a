/**
 * Property: whatever comes to a hold in whatever order (freezes, suspensions, other rules, people, deaths), it goes out once, as it was
 * last worded, unless somebody stopped it; never in a freeze; and its run goes on to its end.
 */
import { action, defineConnector, definePlaybook, policy, type Held } from '@keelson/core'
import { fake, testConductor, type Harness } from '@keelson/testing'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { z } from 'zod'

const by = { kind: 'person', id: 'ann' } as const
const given = { input: z.object({ text: z.string() }), output: z.object({ id: z.string() }) }
const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  ...given,
  run: () => Promise.reject(new Error('a test reached the real world')),
})
const mail = defineConnector({ name: 'mail', actions: { send } })
const write = definePlaybook({ name: 'write', version: 1, ...given, run: (ctx, input) => ctx.act(send, input) })
let asks = false
const gate = policy([
  policy.rule('window', { on: send }, () => policy.hold('10m')),
  policy.rule('words', { on: send }, () => (asks ? policy.ask() : policy.allow())),
])

/** What has come of it, as far as people can tell. */
interface Told {
  frozen: boolean
  suspended: boolean
  stopped: boolean
  text: string
}

const company = {
  freeze: (t: Harness) => t.host((keelson) => keelson.freeze({ by, reason: 'a wrong list' })),
  thaw: (t: Harness) => t.host((keelson) => keelson.thaw({ by })),
  suspend: (t: Harness) => t.host((keelson) => keelson.workspace('default').suspend({ by, reason: 'not paid' })),
  resume: (t: Harness) => t.host((keelson) => keelson.workspace('default').resume({ by })),
}
const people = {
  later: ({ keelson }: Harness, { id }: Held) => keelson.holds.reschedule(id, { by, to: '8m' }),
  stop: ({ keelson }: Harness, { id }: Held) => keelson.holds.cancel(id, { by, reason: 'no' }),
  now: ({ keelson }: Harness, { id, hash }: Held) => keelson.holds.sendNow(id, { by, hash }),
  edit: ({ keelson }: Harness, { id, hash }: Held) => keelson.inbox.decide(id, { by, hash, edit: { text: 'edited' } }),
}
const others = ['4m', '11m', '11m', 'other rules', 'approve', 'death'] as const
type Deed = keyof typeof company | keyof typeof people | (typeof others)[number]
const deed = fc.constantFrom<Deed[]>(
  'freeze',
  ...(Object.keys(company) as Deed[]),
  ...(Object.keys(people) as Deed[]),
  ...others,
)

async function approveAll(t: Harness): Promise<void> {
  for (const item of (await t.inbox.list()).items)
    if (item.kind === 'approval' && item.dueAt === undefined)
      await t.host((keelson) => keelson.inbox.decide(item.id, { by, hash: item.hash, approve: true }))
}

async function does(t: Harness, one: Deed, told: Told): Promise<void> {
  if (one === '4m' || one === '11m') return t.advance(one)
  if (one === 'death') return t.crash()
  if (one === 'other rules') return void (asks = !asks)
  if (one === 'freeze' || one === 'thaw') {
    told.frozen = one === 'freeze'
    return company[one](t)
  }
  if (one === 'suspend' || one === 'resume') {
    if (told.suspended !== (one === 'suspend')) await company[one](t)
    told.suspended = one === 'suspend'
    return
  }
  if (told.suspended) return
  if (one === 'approve') return approveAll(t)
  const [held] = (await t.keelson.holds.list()).holds
  if (held === undefined || (await people[one](t, held)).status !== 'done') return
  if (one === 'stop') told.stopped = true
  if (one === 'edit') told.text = 'edited'
  await t.advance('1s')
}

it('a hold goes out once, as it was last worded, unless it was stopped', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { minLength: 2, maxLength: 14 }), async (deeds) => {
      asks = false
      const t = await testConductor({ playbooks: [write], connectors: [fake(mail)], policy: gate })
      const run = await t.start(write, { text: 'first' })
      const told: Told = { frozen: false, suspended: false, stopped: false, text: 'first' }
      for (const one of deeds) {
        const before = t.world(send).length
        const shut = told.frozen || told.suspended
        await does(t, one, told)
        if (shut && (told.frozen || told.suspended)) expect(t.world(send)).toHaveLength(before)
      }
      if (told.suspended) await company.resume(t)
      await company.thaw(t)
      for (let i = 0; i < 3; i++) {
        await t.advance('1h')
        await approveAll(t)
      }
      await t.advance('1h')
      expect(t.world(send).map(({ input }) => input.text)).toEqual(told.stopped ? [] : [told.text])
      expect((await run.status()).state).toBe(told.stopped ? 'declined' : 'completed')
      expect((await t.inbox.list()).items).toEqual([])
      expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
      await t.stop()
    }),
    { numRuns: 300, examples: [[['other rules', '11m', 'freeze', 'approve', 'now', 'death', 'thaw']]] },
  )
})
