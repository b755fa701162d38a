/** Unknown, to verbs: an option that there is not, or a value of none of a closed list, is refused before anything is done. */
import { action, definePlaybook, KeelsonError, type Workspace } from '@keelson/core'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { me, open, store } from './support/open.ts'

const pay = action({
  ...{ name: 'bank.pay', effect: 'reversible', idempotency: { by: 'key' } },
  ...{ input: z.object({ to: z.string() }), output: z.object({}) },
  run: () => ({ output: {} }),
})
const payment = definePlaybook({
  ...{ name: 'payment', version: 1, input: z.object({}), output: z.object({}), uses: [pay] },
  run: (ctx) => ctx.act(pay, { to: 'ada' }),
})

const by = me
const grant = { action: pay, where: {}, cap: { count: 1 }, until: '2999-01-01', by }

/** What is called, with what, and what is said of it. */
const CASES: readonly (readonly [verb: string, given: readonly unknown[], says: string, hint: string])[] = [
  ['start', [payment, {}, { id: 'r', shadw: true }], 'argument 3 has no option "shadw"', '"shadow"'],
  ['start', [payment, {}, { id: 'r', shadow: 'yes' }], '"shadow" of argument 3', 'type of the verb'],
  ['start', [payment, {}, { id: 'r', persona: 'clerk' }], '"persona" of argument 3', 'definePersona()'],
  ['start', ['payment', {}, { id: 'r' }], '"payment" is not a playbook', 'definePlaybook()'],
  ['start', [undefined, {}, { id: 'r' }], 'undefined is not a playbook', 'import each other'],
  ['entities', [{ name: 'x' }, { byy: by }], 'has no option "byy"', 'by'],
  ['freeze', [{ by, reason: 'x', until: 'y' }], 'argument 1 has no option "until"', 'by'],
  ['thaw', [{ by, reasn: 'x' }], 'argument 1 has no option "reasn"', 'by'],
  ['export', [{ artifacts: 'references' }], 'not "references"', '"reference"'],
  ['export', [{ sinse: 1 }], 'argument 1 has no option "sinse"', '"since"'],
  ['import', [[], { by, mode: 'replaced' }], 'not "replaced"', '"replace"'],
  ['import', [[], { by, dryrun: true }], 'has no option "dryrun"', '"dryRun"'],
  ['merge', [[], { by, onConflict: 'theirs' }], 'not "theirs"', 'keep, take'],
  ['rehearse', [{ playbok: 'x' }], 'has no option "playbok"', '"playbook"'],
  ['runs.list', [{ state: 'x' }], 'not "x"', 'open, settled, held'],
  ...['runs.list', 'inbox.list', 'holds.list', 'audit.query', 'grants.uses', 'memory.facts'].flatMap((verb) =>
    [Number.NaN, 1.5, '5', null].map(
      (limit) =>
        [
          verb,
          [...(verb === 'grants.uses' ? ['g'] : []), { limit }],
          '"limit" of argument',
          'type of the verb',
        ] as const,
    ),
  ),
  ...['x', Number.NaN].map((after) => ['runs.list', [{ after }], '"after" of argument 1', 'type of the verb'] as const),
  ['runs.list', [{ limits: 5 }], 'has no option "limits"', '"limit"'],
  ['runs.retry', ['r', { by, stp: 'x' }], 'has no option "stp"', 'step'],
  ['runs.restart', ['r', { by, from: 'begin' }], '"from" of argument 2', 'start'],
  ['runs.upgrade', [{ by, playbook: 'x', to: 2, dryrun: true }], 'has no option "dryrun"', '"dryRun"'],
  ['inbox.list', [{ snozed: true }], 'has no option "snozed"', '"snoozed"'],
  ['inbox.decide', ['i', { hash: 'h', by, aprove: true }], 'has no option "aprove"', '"approve"'],
  ['inbox.batch', [[], { by, aprove: true }], 'has no option "aprove"', '"approve"'],
  ['inbox.watch', [{ signl: 1 }], 'has no option "signl"', '"signal"'],
  ['holds.reschedule', ['i', { by, to: '1d', too: 1 }], 'has no option "too"', 'to'],
  ['audit.query', [{ actr: by }], 'has no option "actr"', '"actor"'],
  ['audit.query', [{ order: 'newst' }], 'not "newst"', '"newest"'],
  ['audit.export', [{ payload: false }], 'has no option "payload"', '"payloads"'],
  ['revert.plan', [{ run: 'r', checkpoint: 'x' }], 'has no option "checkpoint"', 'run, to, effect'],
  [
    'revert.apply',
    [
      { hash: 'h', target: {} },
      { by, cause: 'tests' },
    ],
    'not "tests"',
    '"test"',
  ],
  ['schedules.set', ['s', payment, { cron: '* * * * *', input: {}, tz: 'UTC' }], 'has no option "tz"', 'timezone'],
  ['schedules.set', ['s', payment, { cron: '* * * * *', input: {}, missed: 'none' }], 'not "none"', 'skip, once, all'],
  [
    'schedules.set',
    ['keelson.maintenance', payment, { cron: '* * * * *', input: {} }],
    'names of Keelson',
    'type of the verb',
  ],
  ['runs.restart', ['r', { by }], 'is to begin again from one place', '{ checkpoint: name }'],
  ['runs.restart', ['r', { by, from: 'start', step: 'a' }], 'is to begin again from one place', '{ checkpoint: name }'],
  ['audit.verify', [{ anchors: [] }], '"keys" of argument 1', 'type of the verb'],
  ['taxonomy.set', [{ tags: 'x' }, { by }], '"tags" of argument 1', 'type of the verb'],
  ['grants.create', [{ ...grant, untill: 'x' }], 'has no option "untill"', '"until"'],
  ['grants.create', [{ ...grant, cap: { cuont: 1 } }], '"cap" of argument 1 has no option "cuont"', '"count"'],
  ['grants.attenuate', ['g', { by, playbok: 'x' }], 'has no option "playbok"', '"playbook"'],
  ['budgets.raise', ['b', { by, mony: 1 }], 'has no option "mony"', '"money"'],
  ['policy.explain', [{ candidate: {}, sinse: '7d' }], 'has no option "sinse"', '"since"'],
  ['shadow.on', [pay, { by, version: 'both' }], 'not "both"', 'all, this'],
  ['shadow.report', [payment, { windw: '1d' }], 'has no option "windw"', '"window"'],
  ['artifacts.put', ['x', { nme: 'x' }], 'has no option "nme"', '"name"'],
  ['cache.invalidate', [{ tag: ['x'] }, { by }], 'has no option "tag"', '"tags"'],
  ['templates.get', ['x', { versoin: 1 }], 'has no option "versoin"', '"version"'],
  ['taxonomy.set', [{ tag: ['x'] }, { by }], 'has no option "tag"', '"tags"'],
  ['metrics.report', [{ by: 'month' }], 'not "month"', 'day, week'],
  ['metrics.spent', [payment, '1h', { by, on: 'setups' }], 'not "setups"', '"setup"'],
  ['trust.set', [pay, 'approve', { by, segmnt: 'x' }], 'has no option "segmnt"', '"segment"'],
  ['maintenance.run', [{ by, compct: true }], 'has no option "compct"', '"compact"'],
  [
    'maintenance.run',
    [{ by, backup: { to: 'x', keeps: 1 } }],
    '"backup" of argument 1 has no option "keeps"',
    '"keep"',
  ],
  ['maintenance.schedule', [{ by, cron: '* * * * *', timezone: 'x' }], 'has no option "timezone"', '"timeZone"'],
  ['memory.scope', ['a', { reads: [] }], 'has no option "reads"', '"read"'],
  ['memory.remember', [{ text: 'x' }, { by, because: [] }], 'has no option "because"', 'reason'],
  ['memory.forget', ['m', { by, gracems: 1 }], 'has no option "gracems"', '"graceMs"'],
  ['memory.erase', [{ threads: 'x' }, { by, reason: 'x' }], 'has no option "threads"', '"thread"'],
  ['memory.recall', [{ text: 'x', limits: 1 }], 'has no option "limits"', '"limit"'],
  ['memory.recall', [{ text: 'x', kinds: ['facts'] }], '"kinds.0" of argument 1', '"fact"'],
  ['memory.facts', [{ asOf: { vald: 'x' } }], '"asOf" of argument 1 has no option "vald"', '"valid"'],
  ['memory.changes.list', [{ status: 'open' }], 'not "open"', 'proposed, applied'],
  ['memory.retention.set', [{ name: 'x', keep: '1d', kind: [] }, { by }], 'has no option "kind"', '"kinds"'],
]

type Verb = (...given: readonly unknown[]) => unknown

async function thrownBy(workspace: Workspace, path: string, given: readonly unknown[]): Promise<unknown> {
  const verb = path.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], workspace) as Verb
  try {
    const answer = verb(...given)
    if (typeof answer !== 'object' || answer === null || !(Symbol.asyncIterator in answer)) return await answer
    for await (const one of answer as AsyncIterable<unknown>) return one
    return 'nothing'
  } catch (thrown) {
    return thrown
  }
}

describe('a verb', () => {
  it('refuses an option that it does not have, and a value that it does not know, and says what was meant', async () => {
    const workspace = (await open(store(), { playbooks: [payment] })).workspace('acme')
    const told = []
    for (const [verb, given] of CASES) {
      const thrown = await thrownBy(workspace, verb, given)
      const { code, message, hint } = KeelsonError.is(thrown) ? thrown : { code: 'none', message: thrown, hint: '' }
      told.push([verb, code, message, hint])
    }
    const text = (part: string): unknown => expect.stringContaining(part)
    expect(told).toEqual(
      CASES.map(([verb, [first], says, hint]) => {
        const code = verb === 'start' && typeof first !== 'object' ? 'PLAYBOOK_NOT_FOUND' : 'INPUT_INVALID'
        return [verb, code, text(says), text(hint)]
      }),
    )
    expect((await workspace.runs.list({ builtIn: true })).runs).toEqual([])
    expect(await workspace.grants.list()).toEqual([])
  })

  it('takes a name with nothing under it, as spreads leave them', async () => {
    const workspace = (await open(store(), { playbooks: [payment] })).workspace('acme')
    await workspace.start(payment, {}, { id: 'r', shadw: undefined, shadow: true } as never)
    expect((await workspace.runs.list({ state: undefined } as never)).runs).toHaveLength(1)
  })
})

describe('a handle on a run', () => {
  it('refuses an option that result() does not have', async () => {
    const workspace = (await open(store(), { playbooks: [payment] })).workspace('acme')
    const run = await workspace.start(payment, {}, { id: 'r' })
    await expect(run.result({ timeot: '1s' } as never)).rejects.toMatchObject({
      ...{ code: 'INPUT_INVALID', message: 'result() has no option "timeot"', hint: 'Did you mean "timeout"?' },
    })
  })
})
