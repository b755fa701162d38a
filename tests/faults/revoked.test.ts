/** A grant that is revoked in the very moment of sending: nothing goes out under it. */
import { action, defineConnector, definePersona, definePlaybook, policy } from '@keelson/core'
import { fake, testConductor, type Harness } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { inTheMomentOf } from '../support/moment.ts'

const real = (): Promise<never> => Promise.reject(new Error('a test reached the real world'))
const ann = { kind: 'person', id: 'ann' } as const
const post = action({
  name: 'letter.post',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string() }),
  output: z.object({ id: z.string() }),
  run: real,
})
const letter = defineConnector({ name: 'letter', actions: { post } })
const lead = definePersona({ name: 'lead', may: ['letter.*'] })
const junior = definePersona({ name: 'junior', may: ['letter.*'] })
const posts = definePlaybook({
  name: 'posts',
  version: 1,
  input: z.object({ to: z.string() }),
  output: z.object({ id: z.string() }),
  uses: [letter],
  run: (ctx, input) => ctx.act(post, input),
})
const asks = policy.rule('asks', { on: post }, () => policy.ask({ grantable: true }))
const holds = policy.rule('holds', { on: post }, () => policy.hold('10m'))

/** How an effect comes to be sent under a grant: at once, again after a try that failed, or by a run of its own. */
const ways = {
  'at once': { rules: [asks], nth: 1, fault: false },
  'at its second try': { rules: [asks], nth: 2, fault: true },
  'by a run of its own': { rules: [asks, holds], nth: 1, fault: false },
  'by a run of its own, at its second try': { rules: [asks, holds], nth: 2, fault: true },
} as const

async function sending(way: keyof typeof ways, whose: 'itself' | 'the one above'): Promise<Harness> {
  const { rules, nth, fault } = ways[way]
  let revoked = 0
  const ids: string[] = []
  const revoke = async (): Promise<void> => {
    await t.keelson.grants.revoke(ids[whose === 'itself' ? 1 : 0]!, { by: ann })
    revoked++
  }
  const t: Harness = await testConductor({
    playbooks: [posts],
    connectors: [fake(letter)],
    policy: policy([...rules]),
    personas: [junior, lead],
    store: inTheMomentOf({ kind: 'effect.sending', nth }, revoke),
  })
  const { grants } = t.keelson
  const one = await grants.create({
    action: post,
    where: {},
    cap: { count: 9 },
    until: '2027-01-01',
    by: ann,
    persona: lead,
  })
  ids.push(one.id, (await grants.attenuate(one.id, { persona: junior, by: ann })).id)
  if (fault) t.fault(post, 'unavailable')
  await t.start(posts, { to: 'ada' }, { id: 'r', persona: junior })
  await t.advance('1h')
  expect(revoked).toBe(1)
  return t
}

describe.each(Object.keys(ways) as (keyof typeof ways)[])('an effect that is sent under a grant %s', (way) => {
  it.each(['itself', 'the one above'] as const)(
    'is not, when the grant (%s) is revoked in that moment',
    async (whose) => {
      const t = await sending(way, whose)
      expect(t.world(post)).toEqual([])
      expect((await t.inbox.list()).items).toMatchObject([{ kind: 'approval', action: 'letter.post' }])
      await t.approve(post)
      await t.advance('1h')
      expect(t.world(post)).toHaveLength(1)
      expect(await t.keelson.audit.verify()).toMatchObject({ ok: true })
      await t.stop()
    },
  )
})
