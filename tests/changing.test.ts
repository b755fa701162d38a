/** Changing: code that is the same, and asks for something else at each pass: the run is set aside, and says what it was. */
import { action, definePlaybook } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { expect, it } from 'vitest'
import { z } from 'zod'

const book = action({
  name: 'desk.book',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ at: z.string(), who: z.object({ name: z.string(), lines: z.array(z.string()) }) }),
  output: z.null(),
  run: async () => ({ output: null }),
})

it('says which field was what, once, and where such values come from', async () => {
  let pass = 0
  const work = definePlaybook({
    name: 'work',
    version: 1,
    input: z.object({}),
    output: z.null(),
    uses: [book],
    async run(ctx) {
      pass++
      return ctx.act(book, { at: `pass ${pass}`, who: { name: 'Ada', lines: ['same', `line ${pass}`] } })
    },
  })
  const t = await testConductor({ playbooks: [work], actions: [book] })
  const run = await t.start(work, {}, { id: 'one' })
  await t.approve(book)
  const why = await t.keelson.why('one')
  expect(why).toContain('"desk.book" was recorded with another input than the code asks for now: ')
  expect(why).toContain('at was "pass 1", who.lines.1 was "line 1"')
  expect(why).not.toContain('who.name')
  expect(why).toMatch(
    /; the code asks for at "pass (\d+)", who\.lines\.1 "line \1" now\. If the code is still the same/,
  )
  expect(why).toMatch(/take it from ctx\.now\(\), ctx\.random\(\).*; or move, restart or cancel the run\./)
  expect(why).not.toContain('register it')
  await expect(run.result()).rejects.toMatchObject({
    code: 'RUN_WAITING',
    hint: expect.stringMatching(/^Its code no longer fits its journal: .*ctx\.now\(\)/s) as string,
  })
  const [item] = (await t.inbox.list()).items
  expect(item).toMatchObject({ code: 'JOURNAL_DIVERGED', hint: expect.stringContaining('ctx.now()') as string })
  await t.keelson.runs.retry('one', { by: { kind: 'person', id: 'ann' } })
  await t.keelson.quiet()
  expect((await t.inbox.list()).items).toHaveLength(1)
  await expect(run.status()).resolves.toMatchObject({ state: 'waiting' })
  await t.stop()
})
