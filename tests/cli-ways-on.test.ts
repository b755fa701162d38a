/** The terminal, where it says what to do next, and whom to wait for. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, createConductor, definePlaybook, policy } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { manualClock } from '@keelson/testing'
import { shared } from './support/terminal.ts'

const sent: string[] = []
const given = { input: z.object({ to: z.string(), text: z.string() }), output: z.object({ id: z.string() }) }
const send = action({
  name: 'mail.send',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  ...given,
  run: async ({ to }) => (sent.push(to), { output: { id: to } }),
})
const write = definePlaybook({
  name: 'write',
  version: 1,
  ...given,
  run: (ctx, input) => ctx.act(send, input),
})
const playbooks = [write]
const gate = policy([policy.rule('window', { on: send }, () => policy.hold('10m'))])
const log = { info: () => {}, warn: () => {}, error: () => {} }
const { run: keelson, end } = shared()

let folder: string
let store: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keelson-ways-'))
  store = join(folder, 'app.db')
})

afterAll(async () => {
  end()
  await rm(folder, { recursive: true, force: true })
})

describe('holds at the terminal', () => {
  it('says of each when it goes out and how to stop it, also once it is overdue and no app works', async () => {
    const past = manualClock(Date.parse('2026-01-05T09:00:00Z'))
    const app = await createConductor({ store: sqlite(store), playbooks, policy: gate, clock: past, log })
    await app.start(write, { to: 'ada', text: 'Dear Ada' }, { id: 'r' })
    await app.quiet()
    await app.stop()
    const [held] = JSON.parse((await keelson(['holds', store, '--json'])).stdout) as { id: string }[]
    const shown = await keelson(['holds', store, '--plain'])
    expect(shown.stdout).toContain('was due at 2026-01-05T09:10:00.000Z: goes out once an app works')
    expect(shown.stdout).toContain(`stop it: npx keelson reject ${store} ${held!.id} -m "why"`)
    expect(await keelson(['reject', store, held!.id, '-m', 'not today'])).toMatchObject({ code: 0 })
    expect((await keelson(['holds', store])).stdout).toBe('nothing is held\n')
    const again = await createConductor({ store: sqlite(store), playbooks, policy: gate, log })
    await expect(again.runs.get('r').result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
    await again.stop()
    expect(sent).toEqual([])
  })
})
