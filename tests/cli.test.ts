/** The terminal, as a second process on the store of a running app. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, createConductor, definePlaybook, policy, type Conductor, type InboxItem } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { command } from '../packages/cli/src/commands.ts'
import { asked as read, Misuse, type Asked } from '../packages/cli/src/usage.ts'
import { own, shared, terminalArgs } from './support/terminal.ts'

const Payment = z.object({ to: z.string(), cents: z.int(), memo: z.string().optional() })
type Payment = z.infer<typeof Payment>
const sent: Payment[] = []
const pay = action({
  name: 'bank.pay',
  effect: 'reversible',
  idempotency: { by: 'key' },
  input: Payment,
  output: z.object({ ok: z.boolean() }),
  undo: z.object({}),
  run: (input) => {
    sent.push(input)
    return { output: { ok: true }, undo: {} }
  },
  compensate: () => {},
})
const payment = definePlaybook({
  name: 'payment',
  version: 1,
  input: Payment,
  output: z.object({ paid: z.number() }),
  async run(ctx, input) {
    const done = await ctx.effect(pay, input)
    return { paid: done.input.cents }
  },
})
const gate = policy([policy.rule('money', { on: pay }, () => policy.ask({ reason: 'money moves' }))])

let folder: string
let store: string
let app: Conductor
const { run: keelson, end } = shared()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keelson-cli-'))
  store = join(folder, 'app.db')
  const quiet = { info: () => {}, warn: () => {}, error: () => {} }
  app = await createConductor({
    store: sqlite(store),
    playbooks: [payment],
    policy: gate,
    log: quiet,
    keepAlive: false,
  })
})

afterAll(async () => {
  end()
  await app.stop()
  await rm(folder, { recursive: true, force: true })
})

async function asked(id: string, input: Payment = { to: 'ada', cents: 4200 }): Promise<InboxItem> {
  await app.start(payment, input, { id })
  await app.quiet()
  const { items } = await app.inbox.list({ run: id })
  return items[0]!
}

describe('keelson at the terminal', () => {
  it('says how it is called, and ends with 2 when it was called wrongly', async () => {
    const help = await own(['--help'])
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining('keelson approve <store> <item>') })
    const wrong = [
      ['nonsense', store],
      ['runs'],
      ['why', store],
      ['reject', store, 'x'],
      ['runs', store, '--colour'],
      [],
    ]
    const ended = await Promise.all(wrong.map((args) => own(args)))
    expect(ended.map((one) => one.code)).toEqual(wrong.map(() => 2))
  })

  it('says what was probably meant, also where an id might stand', async () => {
    const slips: [string[], string][] = [
      [['inbox', 'app.db', '--jsn'], 'there is no option --jsn: do you mean --json?'],
      [['inbox', '--jsno', 'app.db'], 'there is no option --jsno: do you mean --json?'],
      [['runs', 'app.db', '--workspcae=acme'], 'there is no option --workspcae: do you mean --workspace?'],
      [['runs', 'app.db', '--colour'], 'there is no option --colour'],
      [['inbx', 'app.db'], 'there is no command "inbx": do you mean inbox?'],
      [['nonsense', 'app.db'], 'there is no command "nonsense"'],
    ]
    for (const [args, said] of slips) expect(() => read(args)).toThrow(new Misuse(said))
    expect(await keelson(['inbox', store, '--jsn'])).toMatchObject({ code: 2 })
    expect(read(['inbox', 'app.db', '--jso4FQFInkBWlN'])).toMatchObject({ subject: '--jso4FQFInkBWlN' })
  })

  it('says its version', async () => {
    const { version } = JSON.parse(await readFile('packages/cli/package.json', 'utf8')) as { version: string }
    expect(await own(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` })
  })

  it('takes an id that begins with a dash for an id, and not for options', async () => {
    const dashed = await keelson(['inbox', store, '-tJr4FQFInkBWlN0', '--json'])
    expect(dashed.stderr).toContain('no open item has an id that begins with "-tJr4FQFInkBWlN0"')
    expect(read(['inbox', 'app.db', '-tJr4', '-w', 'acme'])).toMatchObject({ subject: '-tJr4', workspace: 'acme' })
    expect(read(['reject', 'app.db', '--bQx', '-m', 'no'])).toMatchObject({ subject: '--bQx', message: 'no' })
    expect(read(['runs', 'app.db', '--json'])).toMatchObject({ subject: undefined, json: true })
    expect(read(['reject', 'app.db', '-mno', 'abc'])).toMatchObject({ subject: 'abc', message: 'no' })
    expect(read(['inbox', 'app.db', '-yab1'])).toMatchObject({ subject: '-yab1', yes: false })
  })

  it('takes a hash and words that begin with a dash for those', async () => {
    const item = await asked('dashed')
    const hash = '-yQx_8fR2'
    const refused = await keelson(['approve', store, item.id, '--hash', hash, '--json'])
    expect(refused.stdout).toContain('not what --hash names')
    expect(read(['approve', 'app.db', 'abc', '--hash', '--bQx'])).toMatchObject({ hash: '--bQx' })
    expect(read(['answer', 'app.db', 'abc', '-m', '-5', '--json'])).toMatchObject({ message: '-5', json: true })
    expect(read(['answer', 'app.db', '-abc', '-m', '-5'])).toMatchObject({ subject: '-abc', message: '-5' })
    expect(() => read(['approve', 'app.db', 'abc', '--hash', '--json'])).toThrow('hash')
    expect(await keelson(['reject', store, item.id, '-m', '-5 is wrong', '--yes'])).toMatchObject({ code: 0 })
  })

  it('makes no store where there is none, and names what is there instead', async () => {
    const text = join(folder, 'notes.txt')
    await writeFile(text, 'not a store')
    const tried = await Promise.all([join(folder, 'none.db'), folder, text].map((path) => keelson(['runs', path])))
    expect(tried.map((one) => one.code)).toEqual([2, 2, 2])
    expect(tried[0]!.stderr).toContain(`there is no store at ${join(folder, 'none.db')}`)
    expect(tried[1]!.stderr).toContain('is a folder')
    expect(tried[2]!.stderr).toContain('is not the SQLite file of a store')
    expect(await keelson(['runs', store, '--workspace', 'nobody'])).toMatchObject({ code: 2 })
  })

  it('lists, shows and approves while the app runs, and the app goes on', async () => {
    const item = await asked('one')
    const list = await own(['inbox', store])
    expect(list.stdout).toContain(`${item.id}  approval [low]  bank.pay (money: money moves)`)
    expect(list.stdout).toContain('  one: cents: 4200, to: ada')
    const why = await own(['why', store, 'one'])
    expect(why.stdout).toContain(
      `; answer it: npx keelson approve ${store} ${item.id} (or edit, reject, respond, snooze)`,
    )
    expect(await app.why('one')).toContain(`; answer it: inbox.decide('${item.id}', …)`)
    const shown = await own(['inbox', store, item.id.slice(0, 6), '--as', 'ann'])
    expect(shown.stdout).toContain('cents: 4200')
    expect((await app.inbox.get(item.id)).seen).toMatchObject([{ by: { kind: 'person', id: 'ann' } }])
    const approved = await own(['approve', store, item.id, '--hash', item.hash.slice(0, 12), '--as', 'ann'])
    expect(approved).toMatchObject({ code: 0, stdout: expect.stringContaining('approved: bank.pay') })
    expect(await app.runs.get('one').result()).toEqual({ paid: 4200 })
    expect((await app.inbox.get(item.id)).decided).toMatchObject({ by: { id: 'ann' }, decision: { approve: true } })
    const again = await own(['approve', store, item.id, '--yes', '--json'])
    expect(again.code).toBe(3)
    expect(JSON.parse(again.stdout)).toMatchObject({ status: 'refused', why: 'settled' })
  })

  it('puts an item off, and does not list it until then', async () => {
    const item = await asked('later')
    const refused = await keelson(['snooze', store, item.id, '--until', '2020-01-01'])
    expect(refused).toMatchObject({ code: 3, stdout: expect.stringContaining('that time has passed') })
    const done = await keelson(['snooze', store, item.id, '--until', '2h', '--as', 'ann'])
    expect(done).toMatchObject({ code: 0, stdout: expect.stringMatching(/^put off: bank\.pay/) })
    const { stdout } = await keelson(['inbox', store])
    expect(stdout).not.toContain(item.id)
    expect(stdout).toContain('1 is put off until later')
    expect(await keelson(['reject', store, item.id, '-m', 'never mind', '--yes'])).toMatchObject({ code: 0 })
  })

  it('has a word for every way in which an item can be answered', () => {
    const words = ['approve', 'edit', 'reject', 'respond', 'answer', 'outcome', 'retry', 'dismiss', 'snooze']
    for (const verb of words) {
      const given = ['-m', 'happened', '--until', '2h']
      expect(read([verb, 'app.db', 'abc', ...given])).toMatchObject({ command: verb, subject: 'abc' })
    }
    expect(() => read(['outcome', 'app.db', 'abc', '-m', 'maybe'])).toThrow('"maybe" is no outcome')
    expect(() => read(['snooze', 'app.db', 'abc'])).toThrow('needs --until')
    const at = read(['why', "my app's.db", 'r', '-w', 'acme']) as Asked
    expect(command('approve', 'abc', at)).toBe(String.raw`npx keelson approve 'my app'\''s.db' abc -w acme`)
  })

  it('approves nothing that it was not told the hash of, and that nobody can be asked about', async () => {
    const item = await asked('two')
    expect(await keelson(['approve', store, item.id])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--yes'),
    })
    const other = await keelson(['approve', store, item.id, '--hash', '00000000'])
    expect(other).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/^refused \(changed\): .*not what --hash names/),
    })
    expect(await app.inbox.get(item.id)).toMatchObject({ state: 'open' })
    expect(await keelson(['reject', store, item.id, '-m', 'not today', '--yes'])).toMatchObject({ code: 0 })
    await expect(app.runs.get('two').result()).rejects.toMatchObject({ code: 'ACTION_DECLINED' })
  })

  it('edits in an editor, and what is left there executes', async () => {
    const item = await asked('three')
    const editor = join(folder, 'editor.sh')
    await writeFile(editor, '#!/bin/sh\nsed -i "s/4200/99/" "$1"\n')
    await chmod(editor, 0o755)
    expect(await keelson(['edit', store, item.id, '--yes'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('EDITOR'),
    })
    expect(await keelson(['edit', store, item.id, '--yes'], { EDITOR: 'true' })).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('nothing was changed'),
    })
    expect(await keelson(['edit', store, item.id, '--yes'], { EDITOR: 'false' })).toMatchObject({ code: 2 })
    const misfit = join(folder, 'misfit.json')
    await writeFile(misfit, '{ "to": "ada", "cents": "much" }')
    expect(await keelson(['edit', store, item.id, '--file', misfit, '--yes'])).toMatchObject({ code: 3 })
    expect(await keelson(['edit', store, item.id, '--yes'], { EDITOR: editor })).toMatchObject({ code: 0 })
    expect(await app.runs.get('three').result()).toEqual({ paid: 99 })
    expect(sent.at(-1)).toEqual({ to: 'ada', cents: 99 })
  })

  it('waits for nobody where there is no terminal', async () => {
    const item = await asked('scripted')
    for (const EDITOR of ['vi', '/usr/bin/nano -w', 'emacs -nw']) {
      const refused = await keelson(['edit', store, item.id, '--yes'], { EDITOR })
      expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('no terminal') })
    }
    const waits = join(folder, 'waits.sh')
    await writeFile(waits, '#!/bin/sh\ncat > "$1"\n')
    await chmod(waits, 0o755)
    const typed = execFile(process.execPath, terminalArgs(['edit', store, item.id, '--yes']), {
      env: { ...process.env, EDITOR: waits, VISUAL: '' },
    })
    const [code] = (await once(typed, 'exit')) as [number] // its input stays open: nobody types, and nobody ends it
    expect(code).toBe(2)
    expect(await keelson(['reject', store, item.id, '-m', 'enough', '--yes'])).toMatchObject({ code: 0 })
  })

  it('takes out what was taken out in the editor', async () => {
    const item = await asked('shorter', { to: 'ada', cents: 4200, memo: 'for May' })
    const shorter = join(folder, 'shorter.sh')
    await writeFile(shorter, '#!/bin/sh\necho \'{ "to": "ada", "cents": 4200 }\' > "$1"\n')
    await chmod(shorter, 0o755)
    expect(await keelson(['edit', store, item.id, '--yes'], { EDITOR: shorter })).toMatchObject({ code: 0 })
    expect(await app.runs.get('shorter').result()).toEqual({ paid: 4200 })
    expect(sent.at(-1)).toEqual({ to: 'ada', cents: 4200 })
  })

  it('tells stories, lists runs and verifies, as text and as JSON', async () => {
    const runs = JSON.parse((await keelson(['runs', store, '--json', '--state', 'settled'])).stdout) as { id: string }[]
    expect(runs.map((run) => run.id)).toEqual(['dashed', 'one', 'later', 'two', 'three', 'scripted', 'shorter'])
    expect((await keelson(['runs', store])).stdout).toContain('one  payment@1  completed')
    expect((await keelson(['story', store, 'one'])).stdout).toContain('ann approved it (hash ')
    expect(await keelson(['verify', store])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^whole: \d+ entries/),
    })
    expect(await keelson(['why', store, 'nobody'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('RUN_NOT_FOUND'),
    })
    const failed = await keelson(['story', store, 'nobody', '--json'])
    expect(JSON.parse(failed.stdout)).toMatchObject({ error: { code: 'RUN_NOT_FOUND' } })
  })

  it('shows what can be taken back, and has the app take exactly that back', async () => {
    const withActions = join(folder, 'with.mjs')
    await writeFile(
      withActions,
      `import { action } from '@keelson/core'
       import { z } from 'zod'
       export default { actions: [action({ name: 'bank.pay', effect: 'reversible', input: z.any(), output: z.any(), undo: z.any(), run: () => { throw new Error('not here') }, compensate: () => {} })] }`.replaceAll(
        /from '([^']+)'/g,
        (_all, name: string) => `from ${JSON.stringify(import.meta.resolve(name))}`,
      ),
    )
    const alone = await keelson(['revert', store, 'one'])
    expect(alone).toMatchObject({ code: 0, stdout: expect.stringContaining('stays: bank.pay') })
    expect(alone.stdout).toContain('--with ./your-definitions.ts')
    const plan = await keelson(['revert', store, 'one', '--with', withActions, '--json'])
    const { hash, lines } = JSON.parse(plan.stdout) as { hash: string; lines: { can: boolean }[] }
    expect(lines).toMatchObject([{ can: true }])
    const applied = await keelson(['revert', store, 'one', '--with', withActions, '--hash', hash])
    expect(applied.stdout).toContain('at once where it works on this store, else when it next does')
    const appliedBy = /^run (\S+) takes it back/m.exec(applied.stdout)![1]!
    expect((await keelson(['runs', store])).stdout).toContain(appliedBy)
    expect(await app.runs.get(appliedBy).result()).toMatchObject({ failed: [] })
  })

  it('exports a workspace, takes it into another store, and tells what differs', async () => {
    const [whole, other, target] = ['whole.jsonl', 'other.jsonl', 'target.db'].map((name) => join(folder, name))
    const exported = await keelson(['export', store, '--out', whole!, '--json'])
    expect(exported.code).toBe(0)
    const { entries } = JSON.parse(exported.stdout) as { entries: number }
    expect((await own(['export', store])).stdout).toBe(await readFile(whole!, 'utf8'))
    const dry = await keelson(['import', target!, whole!, '--dry-run', '--by', 'ann'])
    expect(dry).toMatchObject({ code: 0, stdout: expect.stringContaining('would write') })
    const taken = await keelson(['import', target!, whole!, '--adopt', '--by', 'ann', '--json'])
    expect(taken).toMatchObject({ code: 0 })
    expect(JSON.parse(taken.stdout)).toMatchObject({ workspace: 'default', frozen: false })
    await keelson(['export', target!, '-o', other!])
    expect((await keelson(['diff', whole!, other!])).stdout).toContain('0 added, 0 changed, 0 removed')
    const more = await keelson(['export', store, '--since', String(entries)])
    expect(more.stdout.split('\n').length).toBeLessThan((await readFile(whole!, 'utf8')).split('\n').length)
    expect(await keelson(['import', target!, join(folder, 'notes.txt')])).toMatchObject({ code: 2 })
    expect(await keelson(['export', store, '--since', 'yesterday'])).toMatchObject({ code: 2 })
    expect(await keelson(['diff', whole!])).toMatchObject({ code: 2 })
  })

  it('copies the file while the app runs, prunes, and says what it left', async () => {
    const copy = join(folder, 'copy.db')
    expect(await keelson(['backup', store])).toMatchObject({ code: 2, stderr: expect.stringContaining('--out') })
    expect(await keelson(['backup', store, '--out', copy])).toMatchObject({ code: 0 })
    const dry = await keelson(['prune', copy, '--older-than', '90d', '--dry-run'])
    expect(dry).toMatchObject({ code: 0, stdout: expect.stringContaining('would prune the journals of 0 runs') })
    const pruned = await keelson(['prune', copy, '--older-than', '0s', '--json'])
    expect((JSON.parse(pruned.stdout) as { runs: number }).runs).toBeGreaterThanOrEqual(3)
    expect(await keelson(['verify', copy])).toMatchObject({ code: 0 })
    expect((await keelson(['story', copy, 'one'])).stdout).toContain('its journal was pruned')
    expect(await keelson(['prune', copy, '--older-than', 'ages'])).toMatchObject({ code: 1 })
  })

  it('rehearses the runs of a store on the playbooks of a module', async () => {
    await asked('open', { to: 'bob', cents: 1 })
    const book = (run: string) =>
      `import { definePlaybook } from '@keelson/core'
       import { z } from 'zod'
       export const payment = definePlaybook({ name: 'payment', version: 1, input: z.any(), output: z.any(), run: ${run} })`.replaceAll(
        /from '([^']+)'/g,
        (_all, name: string) => `from ${JSON.stringify(import.meta.resolve(name))}`,
      )
    const [none, other] = [join(folder, 'none.mjs'), join(folder, 'other.mjs')]
    await writeFile(none, 'export const nothing = 1')
    await writeFile(other, book('async (ctx) => { await ctx.step("new", () => 1); return {} }'))
    expect(await keelson(['rehearse', store, '--playbooks', none])).toMatchObject({ code: 2 })
    const branches = await keelson(['rehearse', store, '--playbooks', other])
    expect(branches.code).toBe(1)
    expect(branches.stdout).toContain('default/open (payment@1)')
    expect(branches.stdout).toContain('runs replayed:')
  })
})
