/** Policy that changes only whom silence goes on to: told beforehand, and followed by what is open. */
import { action, definePlaybook, policy, type Notice, type PolicyGate } from '@keelson/core'
import { exploreCrashes, testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.null(),
  run: () => ({ output: null }),
})
const mail = definePlaybook({
  name: 'mail',
  version: 1,
  input: z.object({ to: z.string() }),
  output: z.null(),
  run: (ctx, input) => ctx.act(send, input),
})
type Rungs = NonNullable<NonNullable<Parameters<typeof policy.ask>[0]>['escalate']>
const rulesOf = (escalate: Rungs, version: string): PolicyGate =>
  policy([policy.rule('asks', { on: send }, () => policy.ask({ escalate }))], { version })

const first = rulesOf(
  [
    { after: '1h', to: 'lead', via: 'pager' },
    { after: '4h', to: 'boss', via: 'pager' },
  ],
  '1',
)
/** The lead is no longer the first, and there is somebody between. */
const second = rulesOf(
  [
    { after: '30m', to: 'clerk', via: 'pager' },
    { after: '1h', to: 'lead', via: 'pager' },
    { after: '3h', to: 'owner', via: 'pager' },
  ],
  '2',
)

function setUp(told: string[] = []) {
  const pager = ({ to }: Notice): void => void told.push(to.id)
  return { playbooks: [mail], actions: [send], policy: first, channels: { pager } }
}

describe('another ladder', () => {
  it('is told of by explain, though nothing else is other', async () => {
    const t = await testConductor(setUp())
    await t.start(mail, { to: 'ada' })
    const same = rulesOf(
      [
        { after: '1h', to: 'lead', via: 'pager' },
        { after: '4h', to: 'boss', via: 'pager' },
      ],
      '3',
    )
    expect((await t.keelson.policy.explain({ candidate: same })).changes).toEqual([])
    expect((await t.keelson.policy.explain({ candidate: second })).changes).toMatchObject([
      {
        from: 'ask',
        to: 'ask',
        why: 'ask (asks) would be ask (asks); where nobody answers: lead after 60 min by pager, boss after 240 min by pager, then clerk after 30 min by pager, lead after 60 min by pager, owner after 180 min by pager',
      },
    ])
    for (const rungs of [[{ after: '1h', to: 'lead' }], [{ after: '2h', to: 'lead', via: 'pager' }]] as const)
      expect((await t.keelson.policy.explain({ candidate: rulesOf(rungs, '4') })).changes).toHaveLength(1)
  })

  it('is followed by what is open: the item stays, nobody is told twice, and whoever is late is told at once', async () => {
    const told: string[] = []
    const t = await testConductor(setUp(told))
    await t.start(mail, { to: 'ada' })
    const [before] = (await t.inbox.list()).items
    await t.advance('1h')
    expect(told).toEqual(['lead'])
    await t.deploy({ policy: second })
    const [after] = (await t.inbox.list()).items
    expect([after!.id, after!.hash, after!.title]).toEqual([before!.id, before!.hash, before!.title])
    expect(told).toEqual(['lead', 'clerk'])
    await t.advance('119m')
    expect(told).toEqual(['lead', 'clerk'])
    await t.advance('1m')
    expect(told).toEqual(['lead', 'clerk', 'owner'])
    await t.advance('1d')
    expect(told).toEqual(['lead', 'clerk', 'owner'])
    expect(
      await t.inbox.decide(before!.id, { hash: before!.hash, by: { kind: 'person', id: 'ann' }, approve: true }),
    ).toEqual({
      status: 'done',
    })
  })

  it('that has nobody left only reminds, and one that comes where there was none counts from the asking', async () => {
    const told: string[] = []
    const t = await testConductor({ ...setUp(told), policy: rulesOf([], '0') })
    await t.start(mail, { to: 'ada' })
    await t.advance('2h')
    await t.deploy({ policy: first })
    expect(told).toEqual(['lead'])
    await t.deploy({ policy: rulesOf([], '5') })
    await t.advance('2d')
    expect(told).toEqual(['lead'])
    expect((await t.inbox.list()).items).toMatchObject([{ state: 'open', reminders: 3 }])
  })

  it('tells somebody as often as it names them, also where nothing of it is other', async () => {
    const told: string[] = []
    const twice: Rungs = [
      { after: '1h', to: 'lead', via: 'pager' },
      { after: '4h', to: 'lead', via: 'pager' },
    ]
    const t = await testConductor({ ...setUp(told), policy: rulesOf(twice, '6') })
    await t.start(mail, { to: 'ada' })
    await t.advance('1h')
    await t.deploy({ policy: rulesOf(twice, '7') })
    await t.advance('3h')
    expect(told).toEqual(['lead', 'lead'])
    await t.deploy({ policy: rulesOf([...twice, { after: '6h', to: 'lead', via: 'pager' }], '8') })
    await t.advance('2h')
    expect(told).toEqual(['lead', 'lead', 'lead'])
  })

  it('tells each once wherever it is cut', { timeout: 600_000 }, async () => {
    await exploreCrashes(
      async (t) => {
        const run = await t.start(mail, { to: 'ada' })
        await t.advance('1h')
        await t.deploy({ policy: second })
        await t.advance('3h')
        const { handings } = (await t.inbox.list()).items[0]!
        await t.approve(send)
        return [handings.map(({ to }) => to.id), await run.result()]
      },
      { harness: () => setUp(), depth: 1 },
    )
  })
})
