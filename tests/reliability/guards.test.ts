/** Guards that nothing else would miss: what is recorded before an effect leaves, what stops it at the last moment. */
import { action, createConductor, policy, type Conductor } from '@keelson/core'
import { chain, EMPTY_HEAD, type MemoryStore } from '@keelson/core/ports'
import type { MemoryStoreSession } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { code, me, open, store } from '../support/open.ts'

const silent = { info() {}, warn() {}, error() {} }
const shapes = { input: z.object({ to: z.string() }), output: z.object({ id: z.string() }) }

/** A session that does something before it commits an entry of this kind, the first time, and after that. */
function around(
  session: MemoryStoreSession,
  kind: string,
  first: () => Promise<void>,
  then: () => void = () => {},
): MemoryStore {
  let done = false
  return new Proxy<MemoryStore>(session, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name === 'commit')
        return async (...args: Parameters<MemoryStore['commit']>) => {
          const is = args[1].entries?.some((entry) => entry.kind === kind) === true
          if (is && !done) {
            done = true
            await first()
          }
          const answer = await target.commit(...args)
          if (is && answer.status === 'done') then()
          return answer
        }
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

describe('an effect', () => {
  it.each(['allowed', 'approved'] as const)('is recorded as being sent before it is sent (%s)', async (how) => {
    let recorded = 0
    const seen: number[] = []
    const post = action({
      name: 'letter.post',
      effect: 'irreversible',
      idempotency: { by: 'none' },
      ...shapes,
      run: () => (seen.push(recorded), { output: { id: '1' } }),
    })
    const posts = code(async (ctx) => ctx.act(post, { to: 'ada' }))
    const rule = policy.rule('r', { on: post }, () => (how === 'allowed' ? policy.allow() : policy.ask()))
    const conductor = await createConductor({
      store: around(
        store().session(),
        'effect.sending',
        async () => {},
        () => recorded++,
      ),
      playbooks: [posts],
      policy: policy([rule]),
      keepAlive: false,
      log: silent,
    })
    const run = await conductor.start(posts, {}, { id: 'r' })
    if (how === 'approved') await approveOnly(conductor)
    await run.result()
    expect(seen).toEqual([1])
    await conductor.stop()
  })

  it.each(['allowed', 'approved'] as const)('is not sent when the freeze comes as it is recorded (%s)', async (how) => {
    const data = store()
    let sent = 0
    const post = action({
      name: 'letter.post',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      ...shapes,
      run: () => ({ output: { id: String(++sent) } }),
    })
    const posts = code(async (ctx) => ctx.act(post, { to: 'ada' }))
    const rule = policy.rule('r', { on: post }, () => (how === 'allowed' ? policy.allow() : policy.ask()))
    const frozen = Promise.withResolvers<void>()
    const conductor = await createConductor({
      store: around(data.session(), 'effect.sending', async () => {
        await conductor.freeze({ by: me, reason: 'stop' })
        frozen.resolve()
      }),
      playbooks: [posts],
      policy: policy([rule]),
      keepAlive: false,
      log: silent,
    })
    const run = await conductor.start(posts, {}, { id: 'r' })
    if (how === 'approved') await approveOnly(conductor)
    await frozen.promise
    await conductor.quiet()
    expect(sent).toBe(0)
    await conductor.thaw({ by: me })
    await run.result()
    expect(sent).toBe(1)
    await conductor.stop()
  })
})

describe('a hold', () => {
  it.each([Number.NaN, -1, Infinity, '5m'])('of %s is no verdict: it denies', async (ms) => {
    let sent = 0
    const post = action({
      name: 'letter.post',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      ...shapes,
      run: () => ({ output: { id: String(++sent) } }),
    })
    const posts = code(async (ctx) => ctx.act(post, { to: 'ada' }))
    const odd = { ...policy.hold('1m'), ...Object.fromEntries(keysOf(policy.hold('1m')).map((key) => [key, ms])) }
    const rule = policy.rule('r', { on: post }, () => odd)
    const conductor = await open(store(), { playbooks: [posts], policy: policy([rule]) })
    await expect(conductor.start(posts, {}, { id: 'r' }).then((run) => run.result())).rejects.toMatchObject({
      code: 'ACTION_DENIED',
    })
    expect(sent).toBe(0)
  })
})

describe('the hash of a payload', () => {
  it('is salted: equal payloads have different ones, so that none can be guessed once it was erased', () => {
    const draft = { kind: 'checkpoint.completed', key: 'k', data: {} } as const
    let n = 0
    const made = chain('w', 's', EMPTY_HEAD, [draft, draft], 0, () => `salt ${n++}`)
    expect(new Set(made.map(({ payloadHash }) => payloadHash)).size).toBe(2)
  })
})

function keysOf(hold: object): string[] {
  return Object.entries(hold).flatMap(([key, value]) => (typeof value === 'number' ? [key] : []))
}

async function approveOnly(conductor: Conductor): Promise<void> {
  await conductor.quiet()
  const [item] = (await conductor.inbox.list()).items
  await conductor.inbox.decide(item!.id, { hash: item!.hash, by: me, approve: true })
}
