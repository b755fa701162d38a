/** Outcomes that people set for one run before it looks: each is judged by what the one before has left, and the run goes on. */
import type { PassUnit } from '@keelson/core/ports'
import { intercept, manualClock, type MemoryStoreSession } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  defineBudget,
  KeelsonError,
  policy,
  type Actor,
  type ConductorOptions,
  type Context,
} from '@keelson/core'
import { code, me, open, store } from '../support/open.ts'

const ann: Actor = { kind: 'person', id: 'ann', name: 'Ann' }

/** Mails that are all refused, so that whoever knows better says that they were sent. */
function refusedMails() {
  const sent: string[] = []
  const send = action({
    name: 'mail.send',
    effect: 'irreversible',
    idempotency: { by: 'key' },
    input: z.object({ to: z.string() }),
    output: z.object({ id: z.string() }),
    intent: ({ to }) => ['mail', to],
    classify: () => ({ class: 'final' }),
    run: async ({ to }) => {
      sent.push(to)
      throw new Error('no')
    },
  })
  const free = policy([policy.rule('all', { on: send }, () => policy.allow())])
  return { sent, send, free }
}

/** The mail's id, or what it failed with. */
const tried = (mail: Promise<{ id: string }>): Promise<string> =>
  mail.then(
    ({ id }) => id,
    (thrown: unknown) => (KeelsonError.is(thrown) ? thrown.code : String(thrown)),
  )

/** A run that has come to rest, and of which nobody works any more. */
async function rested(shared: MemoryStoreSession, options: Partial<ConductorOptions>, work: ReturnType<typeof code>) {
  const first = await open(shared, { ...options, playbooks: [work] })
  await first.start(work, {}, { id: 'r' })
  await first.quiet()
  await first.stop()
}

describe('two effects of a run that people say happened before it looks', () => {
  const { sent, send, free } = refusedMails()
  const one = async (ctx: Context) => [await tried(ctx.act(send, { to: 'ada' })), await ctx.act(send, { to: 'bob' })]
  const both = (ctx: Context) => ctx.all(['ada', 'bob'], String, (own, to) => own.act(send, { to }))
  const mail = defineBudget({ name: 'mail', on: [send], limit: { calls: 9 } })

  it.each([
    ['one after the other', one, ['mail.send', 'mail.send#2'], ['by ada', { id: 'by bob' }]],
    ['the later one first', one, ['mail.send#2', 'mail.send'], ['by ada', { id: 'by bob' }]],
    ['side by side', both, ['all[ada].mail.send', 'all[bob].mail.send'], [{ id: 'by ada' }, { id: 'by bob' }]],
  ] as const)('both have: none is sent anew, and the run goes on: %s', async (_how, run, steps, result) => {
    sent.length = 0
    const shared = store()
    const work = code(run)
    const options = { actions: [send], budgets: [mail], policy: free }
    await rested(shared, options, work)
    expect(sent).toEqual(['ada', 'bob'])
    const paper = await open(shared, { ...options, playbooks: [work], work: false })
    const said = steps.map((step) => ({ step, outcome: { id: /bob|#2/.test(step) ? 'by bob' : 'by ada' }, by: ann }))
    for (const each of said) await paper.runs.setOutcome('r', each)
    const second = await open(shared, { ...options, playbooks: [work] })
    expect(await second.runs.get('r').result({ timeout: '10s' })).toEqual(result)
    expect(sent).toEqual(['ada', 'bob'])
    expect((await second.budgets.list()).map(({ used }) => used.calls)).toEqual([2])
    expect(await second.audit.verify()).toMatchObject({ ok: true })
  })

  it('both have, and so has a deadline that passed between them: it is not lost with the effect that was lost', async () => {
    sent.length = 0
    const shared = store()
    const time = manualClock(0)
    const work = code(async (ctx) => {
      const hour = ctx.sleep('1h').then(() => 'an hour')
      return [...(await one(ctx)), await hour]
    })
    const options = { actions: [send], policy: free, clock: time.process().clock }
    await rested(shared, options, work)
    const paper = await open(shared, { ...options, playbooks: [work], work: false })
    await paper.runs.setOutcome('r', { step: 'mail.send', outcome: { id: 'by ada' }, by: ann })
    time.to(2 * 3_600_000)
    await paper.runs.setOutcome('r', { step: 'mail.send#2', outcome: { id: 'by bob' }, by: ann })
    const second = await open(shared, { ...options, playbooks: [work] })
    await second.quiet()
    expect(await second.runs.get('r').status()).toMatchObject({ state: 'completed' })
    expect(await second.runs.get('r').result()).toEqual(['by ada', { id: 'by bob' }, 'an hour'])
    expect(sent).toEqual(['ada', 'bob'])
  })

  it('both have though the process dies between them', async () => {
    sent.length = 0
    const shared = store()
    const work = code(one)
    const options = { actions: [send], policy: free }
    await rested(shared, options, work)
    const paper = await open(shared, { ...options, playbooks: [work], work: false })
    await paper.runs.setOutcome('r', { step: 'mail.send', outcome: { id: 'by ada' }, by: ann })
    await paper.runs.setOutcome('r', { step: 'mail.send#2', outcome: { id: 'by bob' }, by: ann })
    const { promise: dead, resolve: dies } = Promise.withResolvers<void>()
    let rewinds = 0
    const session = intercept(shared.session(), {
      before(op, detail) {
        const { entries = [] } = op === 'commit' ? (detail[1] as PassUnit) : {}
        if (!entries.some(({ kind }) => kind === 'run.rewound') || ++rewinds === 1) return
        dies()
        throw new Error('the disk is gone')
      },
    })
    const dying = await open(shared, { ...options, playbooks: [work], store: session })
    await dead
    await dying.stop({ withinMs: 0 })
    const second = await open(shared, { ...options, playbooks: [work] })
    expect(await second.runs.get('r').result({ timeout: '10s' })).toEqual(['by ada', { id: 'by bob' }])
    expect(sent).toEqual(['ada', 'bob'])
  })
})

describe('two steps of a run that people set before it looks', () => {
  it('are the first, and a refusal of what that has lost: the run goes on from there', async () => {
    const ran: string[] = []
    const fails = (ctx: Context, name: string) =>
      ctx.step(name, () => (ran.push(name), Promise.reject(new Error('no'))), { retry: { attempts: 1 } })
    const work = code(async (ctx) => {
      const a = await fails(ctx, 'a').catch(() => 'none')
      const m = await ctx.step('m', () => ran.push('m'))
      return [a, m, await fails(ctx, 'b').catch(() => 'none')]
    })
    const shared = store()
    await rested(shared, {}, work)
    const paper = await open(shared, { playbooks: [work], work: false })
    await paper.runs.setOutcome('r', { step: 'a', outcome: 'one', by: ann })
    await paper.runs.setOutcome('r', { step: 'b', outcome: 'two', by: me })
    const second = await open(shared, { playbooks: [work] })
    expect(await second.runs.get('r').result({ timeout: '10s' })).toEqual(['one', 4, 'none'])
    expect(ran).toEqual(['a', 'm', 'b', 'm', 'b'])
    const story = await second.audit.story('r')
    expect(story).toContainEqual(expect.stringContaining('setOutcome was refused: the run has no step "b"'))
  })
})
