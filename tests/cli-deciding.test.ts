/** The terminal, where it decides: nothing that was not shown or named, nothing by half, and it says how it wants to be asked. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, createConductor, definePlaybook, policy, type Conductor, type InboxItem } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { shared } from './support/terminal.ts'

const given = { input: z.object({ fee: z.int() }), output: z.object({}) }
const taken: string[] = []
const undoable = (name: string) =>
  action({
    name,
    effect: 'reversible',
    idempotency: { by: 'key' },
    ...given,
    undo: z.object({}),
    run: () => ({ output: {}, undo: {} }),
    compensate: () => void taken.push(name),
  })
const [fee, tax] = [undoable('books.fee'), undoable('books.tax')]
const book = definePlaybook({
  name: 'book',
  version: 1,
  ...given,
  async run(ctx, input) {
    await ctx.act(fee, input)
    return ctx.act(tax, input)
  },
})
const free = policy.rule('free', { on: [fee, tax] }, () => policy.allow())
const open = policy([free])
const asks = policy([free, policy.rule('eyes', { on: fee }, () => policy.ask())])
const log = { info: () => {}, warn: () => {}, error: () => {} }
const { run: keelson, end } = shared()

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keelson-deciding-'))
})

afterAll(async () => {
  end()
  await rm(folder, { recursive: true, force: true })
})

const real = (text: string): string =>
  text.replaceAll(/from '([^']+)'/g, (_all, name: string) => `from ${JSON.stringify(import.meta.resolve(name))}`)

async function definitions(name: string, actions: readonly string[]): Promise<string> {
  const path = join(folder, name)
  const one = (action: string): string =>
    `action({ name: '${action}', effect: 'reversible', input: z.any(), output: z.any(), undo: z.any(), run: () => { throw new Error('not here') }, compensate: () => {} })`
  const text = `import { action } from '@keelson/core'
    import { z } from 'zod'
    export default { actions: [${actions.map(one).join(', ')}] }`
  await writeFile(path, real(text))
  return path
}

describe('keelson revert', () => {
  it('takes nothing back by half for want of code that the terminal was not given, unless that is said', async () => {
    const store = join(folder, 'half.db')
    const app = await createConductor({ store: sqlite(store), playbooks: [book], policy: open, log })
    await app.start(book, { fee: 5 }, { id: 'r' })
    await app.runs.get('r').result()
    const [some, all] = [
      await definitions('some.mjs', ['books.tax']),
      await definitions('all.mjs', ['books.fee', 'books.tax']),
    ]
    for (const more of [[], ['--with', some]]) {
      const refused = await keelson(['revert', store, 'r', '--yes', ...more])
      expect(refused).toMatchObject({ code: 2, stdout: '' })
      expect(refused.stderr).toContain('books.fee')
      expect(refused.stderr).toContain('--with ./your-definitions.ts')
    }
    expect((await app.runs.list({ playbook: 'keelson.revert' })).runs).toEqual([])
    const { hash } = JSON.parse((await keelson(['revert', store, 'r', '--json'])).stdout) as { hash: string }
    expect(await keelson(['revert', store, 'r', '--hash', hash])).toMatchObject({ code: 2 })
    const stale = await keelson(['revert', store, 'r', '--with', all, '--hash', 'A'.repeat(16)])
    expect(stale).toMatchObject({ code: 3, stdout: expect.stringMatching(/^refused \(changed\): .*look again/) })
    expect((await keelson(['revert', store, 'r', '--with', some])).stdout).toMatch(
      /exactly this: --hash \S+ --partial$/m,
    )
    expect((await keelson(['revert', store, 'r', '--with', all])).stdout).toMatch(/exactly this: --hash \S+$/m)
    const half = await keelson(['revert', store, 'r', '--with', some, '--yes', '--partial'])
    expect(half.stdout).toMatch(/^run (\S+) takes it back: the app carries that out, at once where it works/m)
    await app.runs.get(/^run (\S+) takes/m.exec(half.stdout)![1]!).result()
    expect(taken).toEqual(['books.tax'])
    await app.stop()
  })
})

describe('a decision without a terminal', () => {
  let app: Conductor
  let store: string

  beforeAll(async () => {
    store = join(folder, 'deciding.db')
    app = await createConductor({ store: sqlite(store), playbooks: [book], policy: asks, log })
  })
  afterAll(() => app.stop())

  async function item(run: string): Promise<InboxItem> {
    await app.start(book, { fee: 5 }, { id: run })
    await app.quiet()
    return (await app.inbox.list({ run })).items[0]!
  }

  it('needs --yes or --hash, whatever it decides', async () => {
    const { id, hash } = await item('all')
    const file = join(folder, 'six.json')
    await writeFile(file, '{ "fee": 6 }')
    const ways = [
      ['edit', '--file', file],
      ['edit', '-m', '{ "fee": 6 }'],
      ['reject', '-m', 'no'],
      ['respond', '-m', 'no'],
    ]
    for (const [verb, ...more] of ways) {
      const refused = await keelson([verb!, store, id, ...more])
      expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('pass --yes, or --hash') })
    }
    expect(await app.inbox.get(id)).toMatchObject({ state: 'open' })
    expect(await keelson(['reject', store, id, '-m', 'no', '--hash', hash.slice(0, 12)])).toMatchObject({ code: 0 })
  })

  it('ends with 3 where the item is another than --hash names, as for any that changed', async () => {
    const { id } = await item('stale')
    const refused = await keelson(['reject', store, id, '-m', 'no', '--hash', 'A'.repeat(16), '--json'])
    expect(refused.code).toBe(3)
    expect(JSON.parse(refused.stdout)).toMatchObject({ item: id, status: 'refused', why: 'changed' })
    expect(await keelson(['reject', store, id, '-m', 'no', '--hash', 'A'])).toMatchObject({ code: 2 })
  })

  it('takes from -m the fields that are to be other', async () => {
    const { id } = await item('words')
    const both = await keelson(['edit', store, id, '-m', '{}', '--file', 'x.json', '--yes'])
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('not both') })
    expect(await keelson(['edit', store, id, '-m', 'six', '--yes'])).toMatchObject({ code: 2 })
    expect(await keelson(['edit', store, id, '-m', '{ "fee": 6 }', '--yes'], { EDITOR: 'vi' })).toMatchObject({
      code: 0,
    })
    expect((await app.inbox.get(id)).decided).toMatchObject({ decision: { edit: { fee: 6 } } })
  })
})

describe('keelson, asked amiss', () => {
  it('names the command that lists the runs, where it finds none of that id; the app names the call', async () => {
    const store = join(folder, 'runs.db')
    const app = await createConductor({ store: sqlite(store), playbooks: [book], log })
    await expect(app.why('nobody')).rejects.toMatchObject({
      code: 'RUN_NOT_FOUND',
      hint: expect.stringContaining('runs.list()'),
    })
    await app.stop()
    for (const command of ['why', 'story', 'revert']) {
      const { code, stderr } = await keelson([command, store, 'nobody'])
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(`npx keelson runs ${store} lists`) })
    }
  })

  it('shows the page of a command', async () => {
    const page = await keelson(['answer', '--help'])
    expect(page).toMatchObject({ code: 0, stdout: expect.stringMatching(/^keelson answer <store> <item> -m json\n/) })
    expect(page.stdout).toContain('-m, --message')
    expect(page.stdout).not.toContain('--older-than')
    expect((await keelson(['answer', store(), 'x', '-h'])).stdout).toBe(page.stdout)
    expect((await keelson(['help', 'answer'])).stdout).toBe(page.stdout)
    expect(await keelson(['answr', '--help'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('do you mean answer'),
    })
    expect((await keelson(['--help'])).stdout).toContain('keelson revert')
  })

  it('rehearses on the default export that --with takes', async () => {
    const path = join(folder, 'rehearsed.db')
    const app = await createConductor({ store: sqlite(path), playbooks: [book], policy: asks, log })
    await app.start(book, { fee: 5 }, { id: 'r' })
    await app.quiet()
    await app.stop()
    const ops = join(folder, 'ops.mjs')
    const text = `import { definePlaybook } from '@keelson/core'
      import { z } from 'zod'
      export default { playbooks: [definePlaybook({ name: 'book', version: 1, input: z.any(), output: z.any(), run: async (ctx) => ctx.step('new', () => 1) })] }`
    await writeFile(ops, real(text))
    const rehearsed = await keelson(['rehearse', path, '--playbooks', ops])
    expect(rehearsed).toMatchObject({ code: 1, stdout: expect.stringContaining('default/r (book@1)') })
  })
})

const store = (): string => join(folder, 'runs.db')
