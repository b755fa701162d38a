/** The terminal, where it says what to do next, and whom to wait for. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, createConductor, definePlaybook, policy } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { manualClock } from '@keelson/testing'
import { shared, terminalArgs } from './support/terminal.ts'

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
    expect(await keelson(['reject', store, held!.id, '-m', 'not today', '--yes'])).toMatchObject({ code: 0 })
    expect((await keelson(['holds', store])).stdout).toBe('nothing is held\n')
    const again = await createConductor({ store: sqlite(store), playbooks, policy: gate, log })
    await expect(again.runs.get('r').result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
    await again.stop()
    expect(sent).toEqual([])
  })
})

describe('a hold whose time came in a freeze, at the terminal', () => {
  it('says that it goes out once that ends', async () => {
    const past = manualClock(Date.parse('2026-01-05T09:00:00Z'))
    const file = join(folder, 'frozen.db')
    const app = await createConductor({ store: sqlite(file), playbooks, policy: gate, clock: past, log })
    await app.start(write, { to: 'ada', text: 'Dear Ada' }, { id: 'r' })
    await app.quiet()
    await app.freeze({ by: { kind: 'person', id: 'ann' }, reason: 'a wrong list' })
    past.to(Date.parse('2026-01-05T10:00:00Z'))
    await app.quiet()
    await app.stop()
    expect((await keelson(['holds', file, '--plain'])).stdout).toContain(
      'was due at 2026-01-05T09:10:00.000Z: goes out once the freeze ends',
    )
    expect((await keelson(['why', file, 'r'])).stdout).toMatch(
      /frozen.*; thaw it: npx keelson thaw \S+; stop it: npx keelson reject /,
    )
    expect(sent).toEqual([])
  })
})

describe('a bundle of another company, at the terminal', () => {
  it('is refused with the option that takes its place', async () => {
    const [file, whole, full] = ['one.db', 'one.jsonl', 'full.db'].map((name) => join(folder, name)) as [string, string, string] // prettier-ignore
    for (const [store, id] of [
      [file, 'one'],
      [full, 'two'],
    ] as const) {
      // prettier-ignore
      const app = await createConductor({ store: sqlite(store), playbooks, policy: gate, log })
      await app.start(write, { to: 'ada', text: 'Dear Ada' }, { id })
      await app.stop()
    }
    await keelson(['export', file, '--out', whole])
    const { code, stderr } = await keelson(['import', full, whole])
    expect(code).toBe(1)
    expect(stderr).toContain(`npx keelson import ${full} ${whole} --replace gives up what is there`)
    expect(stderr).not.toContain('mode')
  })
})

describe('keelson beside an app that asks', () => {
  const asks = policy([policy.rule('words', { on: send }, () => policy.ask())])
  const parent = definePlaybook({
    name: 'parent',
    version: 1,
    input: given.input,
    output: given.output,
    run: (ctx, input) => ctx.call(write, input),
  })

  it('names, of a parent, the run that it waits for and the command that ends what that waits for', async () => {
    const path = join(folder, 'parent.db')
    const app = await createConductor({ store: sqlite(path), playbooks: [write, parent], policy: asks, log })
    await app.start(parent, { to: 'ada', text: 'x' }, { id: 'p' })
    await app.quiet()
    const [child] = (await app.runs.list({ playbook: 'write' })).runs
    const { stdout } = await keelson(['why', path, 'p'])
    const { id } = (await app.inbox.list()).items[0]!
    expect(stdout).toContain(`(in run ${child!.id}); answer it: npx keelson approve ${path} ${id}`)
    expect(stdout).toContain(child!.id)
    await app.runs.pause(child!.id, { by: { kind: 'person', id: 'ann' }, reason: 'lunch' })
    await app.quiet()
    expect((await keelson(['why', path, 'p'])).stdout).toContain(`resume it: npx keelson resume ${path} ${child!.id}`)
    await app.stop()
  })

  it('takes from a file the fields that are to be other, and says field by field what does not fit', async () => {
    const path = join(folder, 'edits.db')
    const app = await createConductor({ store: sqlite(path), playbooks, policy: asks, log })
    const run = await app.start(write, { to: 'ada', text: 'x' }, { id: 'e' })
    await app.quiet()
    const { id } = (await app.inbox.list()).items[0]!
    const [some, wrong] = [join(folder, 'some.json'), join(folder, 'wrong.json')]
    await writeFile(some, '{ "to": "bob" }')
    await writeFile(wrong, '{ "to": 5, "text": null }')
    const refused = await keelson(['edit', path, id, '--file', wrong, '--yes'])
    expect(refused.stdout).toMatch(/^refused \(invalid\):\n {2}text: Invalid input.+\n {2}to: Invalid input.+\n$/)
    expect(await keelson(['edit', path, id, '--file', some, '--yes'])).toMatchObject({ code: 0 })
    expect(await run.result()).toEqual({ id: 'bob' })
    await app.stop()
  })

  it('ends quietly when nobody reads on', async () => {
    const child = spawn(process.execPath, terminalArgs(['story', join(folder, 'edits.db'), 'e']), { stdio: 'pipe' })
    child.stdout.destroy()
    let complaints = ''
    child.stderr.on('data', (text) => (complaints += String(text)))
    const [code] = (await once(child, 'close')) as [number]
    expect({ code, complaints }).toEqual({ code: 0, complaints: '' })
  })
})
