/** What is there is given up only for a bundle that was found whole, and nobody may act before that was decided. */
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createConductor, type Conductor, type MemoryStore, type Workspace } from '@keelson/core'
import { intercept, memoryStore, storeFailure } from '@keelson/testing'
import { code, me, open } from './support/open.ts'

const W = 'acme'

async function linesOf(workspace: Workspace): Promise<string[]> {
  const lines: string[] = []
  for await (const line of workspace.export()) lines.push(line)
  return lines
}

async function company(text: string, id = W): Promise<{ keelson: Conductor; acme: Workspace }> {
  const keelson = await open(memoryStore(), { playbooks: [] })
  const acme = keelson.workspace(id)
  await acme.memory.remember({ text }, { by: me })
  return { keelson, acme }
}

const texts = async ({ memory }: Workspace): Promise<string[]> => (await memory.facts()).map(({ text }) => text)

/** Pieces that can be read once, as a file's stream. */
async function* once(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines
}

describe('a bundle that replaces', () => {
  it('takes nothing away when it is of another company, cut off, changed, or no text', async () => {
    const { acme } = await company('what is precious')
    const other = await linesOf((await company('another', 'other')).acme)
    const good = await linesOf((await company('the newer one')).acme)
    const bad = [
      other,
      good.slice(0, -1),
      good.map((line) => line.replace('newer', 'never')),
      [Buffer.concat([Buffer.from(good[0]!), Buffer.from([0xff, 0x0a])])],
    ]
    for (const lines of bad)
      for (const source of [lines, once(lines as string[]), () => once(lines as string[])]) {
        const refused = await acme.import(source, { by: me, mode: 'replace' }).catch((error: unknown) => error)
        expect(refused).toMatchObject({ code: lines === other ? 'INPUT_INVALID' : 'BUNDLE_INVALID' })
        expect(await texts(acme)).toEqual(['what is precious'])
      }
    expect((await acme.audit.verify()).faults).toEqual([])
  })

  it('is read from a stream, or anew from what opens one, and is all that is recalled afterwards', async () => {
    const { acme } = await company('what is precious')
    expect(await acme.memory.recall('precious')).toHaveLength(1)
    const good = await linesOf((await company('the newer one')).acme)
    const folder = mkdtempSync(join(tmpdir(), 'keelson-replace-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, 'acme.jsonl')
    writeFileSync(path, good.join(''))
    const plan = await acme.import(() => createReadStream(path), { by: me, mode: 'replace', dryRun: true })
    expect(plan).toMatchObject({ entries: good.filter((line) => line.includes('"type":"entry"')).length })
    expect(await texts(acme)).toEqual(['what is precious'])
    await acme.import(() => createReadStream(path), { by: me, mode: 'replace' })
    expect(await texts(acme)).toEqual(['the newer one'])
    expect(await acme.memory.recall('precious')).toEqual([])
    await acme.import(createReadStream(path), { by: me, mode: 'replace' })
    expect(await texts(acme)).toEqual(['the newer one'])
    expect((await acme.memory.recall('newer')).map(({ memory }) => memory.text)).toEqual(['the newer one'])
  })

  it('goes on under a conductor that saw its runs before it was whole', async () => {
    const sleeper = code(async (ctx) => void (await ctx.sleep('1h')))
    const from = await open(memoryStore(), { playbooks: [sleeper] })
    await from.start(sleeper, {}, { id: 'sleeper' })
    await from.quiet()
    const lines: string[] = []
    for await (const line of from.export()) lines.push(line)
    const store = memoryStore()
    const at = await open(store, { playbooks: [sleeper] })
    const held = intercept(store.session(), {
      async before(op, [, unit]) {
        const { records = [] } = (unit ?? {}) as { records?: readonly { kind: string; id: string; data: unknown }[] }
        const isOver = records.some(({ kind, id, data }) => kind === 'company' && id === 'life' && data === null)
        if (op === 'write' && isOver) await at.quiet()
      },
    })
    const log = { info() {}, warn() {}, error() {} }
    const importer = await createConductor({ store: held, playbooks: [], work: false, keepAlive: false, log })
    onTestFinished(() => importer.stop({ withinMs: 100 }))
    await importer.import(lines, { by: me, adopt: true })
    await at.quiet()
    const { runs } = await at.runs.list()
    expect(runs).toMatchObject([{ status: { state: 'waiting', for: [{ kind: 'timer' }] } }])
  })

  it('is never there by half without a mark, nor whole without being frozen, wherever it is cut off', async () => {
    const good = await linesOf((await company('the newer one')).acme)
    for (const mode of ['restore', 'replace'] as const)
      for (let failing = 1; ; failing++) {
        const store = memoryStore()
        const own = await open(store, { playbooks: [] })
        if (mode === 'replace') await own.workspace(W).memory.remember({ text: 'old' }, { by: me })
        let writes = 0
        const cut = intercept(store, {
          before(op) {
            if (op === 'write' && ++writes >= failing) throw storeFailure()
          },
        })
        const whole = await imported(cut, good, mode)
        const anew = (await open(store, { playbooks: [] })).workspace(W)
        const rows = await store.records(W, { kind: 'company', ids: ['life', 'freeze'], limit: 2 })
        const isShut = rows.some(({ data }) => data.includes('suspended') || data.includes('"frozen":true'))
        const there = await texts(anew)
        if (!there.includes('old') && (await store.tail(W, 0, 10)).some(({ kind }) => kind === 'memory.changed'))
          expect(isShut, `${mode} ${failing}`).toBe(true)
        if (!whole) await anew.import(good, { by: me, mode })
        expect(await texts(anew)).toEqual(['the newer one'])
        expect((await anew.audit.verify()).faults).toEqual([])
        await anew.adopt({ by: me })
        await anew.memory.remember({ text: 'goes on' }, { by: me })
        if (whole) break
      }
  })
})

async function imported(store: MemoryStore, bundle: readonly string[], mode: 'restore' | 'replace'): Promise<boolean> {
  const log = { info() {}, warn() {}, error() {} }
  const keelson = await createConductor({ store, playbooks: [], work: false, keepAlive: false, log })
  onTestFinished(() => keelson.stop({ withinMs: 100 }))
  return keelson
    .workspace(W)
    .import(bundle, { by: me, mode })
    .then(
      () => true,
      () => false,
    )
}
