/** A store that another one may still act for, a copy or an import, acts only once it was adopted: a thaw does not do that. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { action, createConductor, defineEvent, definePlaybook, policy, type MemoryStore } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { memoryStore } from '@keelson/testing'
import { me } from './support/open.ts'
import { own } from './support/terminal.ts'

const log = { info: () => {}, warn: () => {}, error: () => {} }
const go = defineEvent({ name: 'go', schema: z.object({ to: z.string() }) })

/** A process on `store`: runs `r` sends at once, `later` once it hears; `sent` is what went out of this one. */
async function open(store: MemoryStore) {
  const sent: string[] = []
  const send = action({
    name: 'mail.send',
    effect: 'irreversible',
    idempotency: { by: 'key' },
    input: z.object({ to: z.string() }),
    output: z.object({}),
    run: ({ to }) => {
      sent.push(to)
      return { output: {} }
    },
  })
  const write = definePlaybook({
    name: 'write',
    version: 1,
    input: z.object({ to: z.string(), waits: z.boolean() }),
    output: z.object({}),
    uses: [send],
    run: async (ctx, { to, waits }) => {
      if (waits) await ctx.waitFor(go, { match: { to } })
      return ctx.act(send, { to })
    },
  })
  const free = policy([policy.rule('free', { on: send }, () => policy.allow())])
  const keelson = await createConductor({ store, playbooks: [write], policy: free, keepAlive: false, log })
  onTestFinished(() => keelson.stop({ withinMs: 100 }))
  const begin = (to: string, waits = false) => keelson.start(write, { to, waits }, { id: to })
  return { keelson, sent, begin }
}

type Opened = Awaited<ReturnType<typeof open>>

/** A run that waits for an event; where `frozen`, another that an operator's freeze stopped just before it sent. */
async function company(store: MemoryStore, frozen: boolean): Promise<Opened> {
  const one = await open(store)
  await one.begin('later', true)
  if (frozen) {
    await one.keelson.freeze({ by: me, reason: 'a wrong list' })
    await one.begin('now')
  }
  await one.keelson.quiet()
  return one
}

async function imported(from: Opened): Promise<Opened> {
  const bundle: string[] = []
  for await (const line of from.keelson.workspace('default').export()) bundle.push(line)
  const there = await open(memoryStore())
  await there.keelson.import(bundle, { by: me })
  return there
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'keelson-adopting-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  return made
}

/** A copy of its file, under `copy.db`. */
async function copied(frozen: boolean): Promise<{ path: string }> {
  const at = folder()
  const one = await company(sqlite(join(at, 'app.db')), frozen)
  await one.keelson.stop()
  cpSync(join(at, 'app.db'), join(at, 'copy.db'))
  return { path: join(at, 'copy.db') }
}

describe.each([false, true])('a company that may act elsewhere; frozen there by an operator: %s', (frozen) => {
  const all = frozen ? ['later', 'now'] : ['later']

  async function staysUntilAdopted({ keelson, sent }: Opened): Promise<void> {
    await expect(keelson.thaw({ by: me })).rejects.toMatchObject({
      code: 'ADOPTION_NEEDED',
      hint: expect.stringContaining('adopt({ by })'),
    })
    await keelson.send(go, { to: 'later' }, { id: 'g' })
    await keelson.quiet()
    expect(sent).toEqual([])
    expect(await keelson.why('later')).toContain('adopt() ends it')
    await keelson.adopt({ by: me })
    await keelson.quiet()
    expect(sent.toSorted()).toEqual(all)
  }

  it('is not thawed where it was imported', async () => {
    await staysUntilAdopted(await imported(await company(memoryStore(), frozen)))
  })

  it('is not thawed in a copy of its file', async () => {
    const { path } = await copied(frozen)
    await staysUntilAdopted(await open(sqlite(path)))
  })

  it('is not thawed at the terminal, and is adopted there', async () => {
    const { path } = await copied(frozen)
    const before = await own(['thaw', path, '--yes'])
    expect(before).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('ADOPTION_NEEDED') })
    expect(before.stderr).toContain(`npx keelson adopt ${path}`)
    expect(await own(['adopt', path])).toMatchObject({ code: 2, stdout: '' })
    expect(await own(['adopt', path, '--yes'])).toMatchObject({ code: 0 })
    const { keelson, sent } = await open(sqlite(path))
    await keelson.send(go, { to: 'later' }, { id: 'g' })
    await keelson.quiet()
    expect(sent.toSorted()).toEqual(all)
  })
})

it('is frozen and thawed by its operator once it was adopted', async () => {
  const there = await imported(await company(memoryStore(), false))
  await there.keelson.adopt({ by: me })
  await there.keelson.freeze({ by: me, reason: 'a look' })
  await there.keelson.thaw({ by: me })
  await there.begin('new')
  await there.keelson.quiet()
  expect(there.sent).toEqual(['new'])
})
