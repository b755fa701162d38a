/** What is erased goes from what the inbox shows; the run that an item is about, whatever its id says, stays named there. */
import { expect, it } from 'vitest'
import { z } from 'zod'
import { definePlaybook } from '@keelson/core'
import { memoryStore } from '@keelson/testing'
import { me, open } from '../support/open.ts'

const greet = definePlaybook({
  ...{ name: 'greet', version: 1, input: z.object({}), output: z.string() },
  run: (ctx) => ctx.step('greet', () => Promise.reject(new Error('no letter-box')), { retry: { attempts: 1 } }),
})

it('an item of a run whose id says what is erased leads to it still', async () => {
  const keelson = await open(memoryStore(), { playbooks: [greet] })
  const run = await keelson.start(greet, {}, { id: 'greet:adalove' })
  await expect(run.result()).rejects.toMatchObject({ code: 'STEP_FAILED' })
  const said = await keelson.memory.remember({ subject: 'someone', predicate: 'name', value: 'adalove' }, { by: me })
  const { left } = await keelson.memory.erase({ ids: [said.id] }, { by: me, reason: 'asked' })
  const [item] = (await keelson.inbox.list()).items
  expect(item).toMatchObject({ run: 'greet:adalove' })
  expect(left).toContainEqual({ where: `inbox ${item!.id}`, why: expect.stringContaining('an id in it') as string })
  expect((await keelson.audit.verify()).faults).toEqual([])
  const answer = { hash: item!.hash, by: me }
  await expect(keelson.inbox.decide(item!.id, { ...answer, retry: true })).rejects.toMatchObject({ code: 'ERASED' })
  expect(await keelson.inbox.decide(item!.id, { ...answer, dismiss: true })).toMatchObject({ status: 'done' })
})
