/** The terminal, where it steers: a run or a company is stopped, let go on or taken back by what it names. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, createConductor, defineEvent, definePlaybook, policy, type Conductor } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { own, shared } from './support/terminal.ts'

const done: string[] = []
const book = action({
  name: 'books.fee',
  effect: 'reversible',
  idempotency: { by: 'key' },
  input: z.object({ of: z.string() }),
  output: z.object({}),
  undo: z.object({ of: z.string() }),
  run: ({ of }) => {
    done.push(of)
    return { output: {}, undo: { of } }
  },
  compensate: ({ of }) => void done.push(`not ${of}`),
})
const word = defineEvent({ name: 'word', schema: z.object({ id: z.string() }) })
const fees = definePlaybook({
  name: 'fees',
  version: 2,
  uses: [book],
  input: z.object({ id: z.string() }),
  output: z.string(),
  async run(ctx, { id }) {
    await ctx.act(book, { of: `${id} first` })
    await ctx.checkpoint('half')
    await ctx.act(book, { of: `${id} second` })
    await ctx.waitFor(word, { match: { id }, timeout: '30d' })
    await ctx.act(book, { of: `${id} third` })
    return 'done'
  },
})
const free = policy([policy.rule('free', { on: book }, () => policy.allow())])
const log = { info: () => {}, warn: () => {}, error: () => {} }
const { run: keelson, end } = shared()
let folder: string
let store: string
let app: Conductor

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keelson-steering-'))
  store = join(folder, 'app.db')
  app = await createConductor({ store: sqlite(store), playbooks: [fees], policy: free, log })
})

afterAll(async () => {
  await app.stop()
  end()
  await rm(folder, { recursive: true, force: true })
})

async function begun(id: string): Promise<void> {
  await app.start(fees, { id }, { id })
  await app.quiet()
}

describe('a run', () => {
  it('is paused, and says how it goes on; resumed; and cancelled only when that is meant', async () => {
    await begun('a')
    const paused = await keelson(['pause', store, 'a', '-m', 'let me look'])
    expect(paused.code).toBe(0)
    expect(paused.stdout).toBe(`goes on only when it is resumed: a\nresume it: npx keelson resume ${store} a\n`)
    await app.quiet()
    expect((await keelson(['why', store, 'a'])).stdout).toContain(`resume it: npx keelson resume ${store} a`)
    expect(await keelson(['resume', store, 'a', '--json'])).toMatchObject({ code: 0 })
    await expect.poll(() => app.runs.get('a').status()).toMatchObject({ state: 'waiting', for: [{ kind: 'event' }] })
    expect(await keelson(['cancel', store, 'a'])).toMatchObject({ code: 2, stdout: '' })
    const hashed = await own(['cancel', store, 'a', '--hash', 'A'.repeat(16)])
    expect(hashed).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('pass --yes\n') })
    expect(await keelson(['cancel', store, 'a', '--yes', '-m', 'no need', '--as', 'ann'])).toMatchObject({ code: 0 })
    await app.quiet()
    expect(await app.runs.get('a').status()).toMatchObject({ state: 'cancelled' })
    const lines = (await keelson(['story', store, 'a'])).stdout
    expect(lines).toContain('let me look')
    expect(lines).toMatch(/ann.*no need|no need.*ann/)
    expect((await keelson(['cancel', store, 'a', '--yes'])).stderr).toContain('RUN_CLOSED')
  })

  it('runs again from a checkpoint, a step or its start, only when that is meant', async () => {
    const path = join(folder, 'again.db')
    const at = await createConductor({ store: sqlite(path), playbooks: [fees], policy: free, log })
    await at.start(fees, { id: 'again' }, { id: 'again' })
    await at.quiet()
    const restarts = async () => (await at.audit.story('again')).filter((line) => line.includes('restarted')).length
    const restart = (...more: string[]) => keelson(['restart', path, 'again', ...more])
    expect(await restart()).toMatchObject({ code: 2, stdout: '' })
    const both = await restart('--checkpoint', 'half', '--step', 'books.fee', '--yes')
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('one of --checkpoint and --step') })
    expect(await restarts()).toBe(0)
    for (const [i, from] of [['--checkpoint', 'half'], ['--step', 'books.fee#2'], []].entries()) {
      const said = { code: 0, stdout: expect.stringContaining('runs again once an app works: again\n') }
      expect(await restart(...from, '--yes', '--as', 'ann')).toMatchObject(said)
      await expect.poll(restarts).toBe(i + 1)
      await expect.poll(() => at.runs.get('again').status()).toMatchObject({ state: 'waiting' })
    }
    const lost = await restart('--checkpoint', 'none', '--yes')
    expect(lost).toMatchObject({ code: 1, stderr: expect.stringContaining('STEP_NOT_FOUND') })
    expect(done.filter((one) => one === 'again second')).toHaveLength(1)
    await at.stop()
  })

  it('whose code no longer fits says what its author can do, and what can be done here', async () => {
    const old = join(folder, 'old.db')
    const first = await createConductor({ store: sqlite(old), playbooks: [fees], policy: free, log })
    await first.start(fees, { id: 'y' }, { id: 'y' })
    await first.quiet()
    await first.stop()
    const other = definePlaybook({
      ...{ name: 'fees', version: 2, input: z.object({ id: z.string() }), output: z.string() },
      run: (ctx) => ctx.step('other', () => 'done'),
    })
    const second = await createConductor({ store: sqlite(old), playbooks: [other], policy: free, log })
    await second.send(word, { id: 'y' }, { id: 'w' })
    await second.quiet()
    await second.stop()
    const { stdout } = await keelson(['why', old, 'y'])
    expect(stdout).toContain('bring back the old code as its own version')
    expect(stdout).toContain(`run it again: npx keelson restart ${old} y; end it: npx keelson cancel ${old} y`)
  })

  it('that nobody works on is ended by the terminal itself', async () => {
    const alone = join(folder, 'alone.db')
    const first = await createConductor({ store: sqlite(alone), playbooks: [fees], policy: free, log })
    await first.start(fees, { id: 'z' }, { id: 'z' })
    await first.quiet()
    await first.stop()
    expect(await keelson(['cancel', alone, 'z', '--yes'])).toMatchObject({ code: 0 })
    expect((await keelson(['runs', alone])).stdout).toContain('cancelled')
  })
})

describe('a company', () => {
  it('is frozen at once, and thawed only when that is meant', async () => {
    expect(await keelson(['freeze', store, '-m', 'the bank called'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`npx keelson thaw ${store}`),
    })
    await app.start(fees, { id: 'b' }, { id: 'b' })
    await app.quiet()
    expect(done).not.toContain('b first')
    const why = (await keelson(['why', store, 'b'])).stdout
    expect(why).toContain('the bank called')
    expect(why).toContain(`npx keelson thaw ${store}`)
    expect(await keelson(['thaw', store])).toMatchObject({ code: 2 })
    expect(await keelson(['thaw', store, '--yes'])).toMatchObject({ code: 0 })
    await expect.poll(() => done).toContain('b second')
    await app.quiet()
  })
})

describe('a command on all of a store', () => {
  it.each([
    ['freeze', 'pause'],
    ['thaw', 'resume'],
  ])('is refused where it names a run: %s', async (all, one) => {
    const trail = async () => (await app.audit.query({ limit: 500 })).lines.map(({ what }) => what)
    const before = await trail()
    const { code, stdout, stderr } = await keelson([all, store, 'a', '--yes', '-m', 'only this one'])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain(`of one run: npx keelson ${one} ${store} a`)
    expect(await trail()).toEqual(before)
  })

  it.each(['runs', 'holds', 'verify', 'export'])('is refused where it names anything: %s', async (all) => {
    expect(await keelson([all, store, 'a'])).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('keelson revert', () => {
  const lines = async (...args: string[]) => {
    const { code, stdout } = await keelson(['revert', store, ...args, '--with', definitions, '--json'])
    expect(code).toBe(0)
    return (JSON.parse(stdout) as { lines: { kind: string; what: string }[] }).lines.filter(
      (one) => one.kind === 'effect',
    )
  }
  let definitions: string

  beforeAll(async () => {
    definitions = join(folder, 'definitions.mjs')
    const named = (text: string) =>
      text.replaceAll(/from '([^']+)'/g, (_all, name: string) => `from ${JSON.stringify(import.meta.resolve(name))}`)
    await writeFile(
      definitions,
      named(`import { action } from '@keelson/core'
        import { z } from 'zod'
        export default { actions: [action({ name: 'books.fee', effect: 'reversible', idempotency: { by: 'key' }, input: z.object({ of: z.string() }),
          output: z.object({}), undo: z.object({}), run: () => { throw new Error('not here') }, compensate: () => {} })] }`),
    )
  })

  it('is about a run, what came behind its checkpoint, one effect, a time, a version', async () => {
    const before = new Date(Date.now() - 86_400_000).toISOString()
    await begun('c')
    expect(await lines('c')).toHaveLength(2)
    expect(await lines('c', '--checkpoint', 'half')).toHaveLength(1)
    const all = await lines('--playbook', 'fees@2')
    expect(all).toHaveLength(6)
    expect(await lines('--playbook', 'fees@1')).toEqual([])
    expect(await lines('--from', before)).toHaveLength(6)
    expect(await lines('--from', before, '--before', before)).toEqual([])
    expect(await lines('--agent', 'nobody@1')).toEqual([])
    const [one] = (await app.revert.plan({ run: 'c' })).lines.filter((line) => line.kind === 'effect')
    expect(await lines('--effect', one!.id)).toHaveLength(1)
    const { stdout } = await keelson(['revert', store, 'c', '--checkpoint', 'half', '--with', definitions])
    const hash = /--hash (\S+)/.exec(stdout)![1]!
    const applied = await keelson(['revert', store, 'c', '--checkpoint', 'half', '--with', definitions, '--hash', hash])
    await app.runs.get(/^run (\S+) takes/m.exec(applied.stdout)![1]!).result()
    expect(done.slice(-3)).toEqual(['c first', 'c second', 'not c second'])
    const stale = await keelson(['revert', store, '--playbook', 'fees@2', '--hash', 'A'.repeat(16)])
    expect(stale).toMatchObject({ code: 3, stdout: expect.stringContaining('--playbook fees@2') })
  })

  it('is about one thing, whole', async () => {
    for (const args of [
      [],
      ['c', '--effect', 'e'],
      ['--checkpoint', 'half'],
      ['--before', '2026-01-01T00:00:00Z'],
      ['--playbook', 'fees'],
    ])
      expect(await keelson(['revert', store, ...args])).toMatchObject({ code: 2, stdout: '' })
  })
})
