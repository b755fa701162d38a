/** Reliability 7, 8, 17: real processes on one file, stopped, continued, killed, and some that kill or hang themselves (P1, P8). */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { createConductor } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { playbooksOf, type Told } from '../soak/host.ts'

const HOST = join(import.meta.dirname, '../soak/host.ts')

let file: string
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keelson-processes-'))
  file = join(folder, 'company.db')
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
})

/** A process with a conductor, open. */
class Host {
  readonly name: string
  readonly process: ChildProcess
  readonly told: Told[] = []
  readonly exited: Promise<unknown>
  #listening: (() => void)[] = []

  constructor(name: string, poison = 'exit') {
    this.name = name
    const execArgv = ['--conditions=@keelson/source', ...(poison === 'memory' ? ['--max-old-space-size=96'] : [])]
    this.process = fork(HOST, [file, name, poison], { execArgv, silent: poison !== 'exit' })
    this.exited = once(this.process, 'exit')
    this.process.on('message', (told: Told) => {
      this.told.push(told)
      for (const hear of this.#listening) hear()
    })
    onTestFinished(() => this.kill())
  }

  static async open(name: string): Promise<Host> {
    const host = new Host(name)
    await host.tells((told) => told.what === 'open')
    return host
  }

  /** Resolves once the process has told it. */
  async tells(wanted: (told: Told) => boolean): Promise<void> {
    while (!this.told.some(wanted)) await new Promise<void>((resolve) => this.#listening.push(resolve))
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.exited
  }
}

/** A conductor in this process. */
async function here(options: { work?: boolean; hold?: () => Promise<string>; name?: string } = {}) {
  const { work = true, hold = async () => 'done here', name = 'here' } = options
  const playbooks = playbooksOf({ hold, poison: () => 'harmless here' })
  const log = { info() {}, warn() {}, error() {} }
  const keelson = await createConductor({
    ...{ store: sqlite(file), playbooks: playbooks.all, keepAlive: false, work, log },
    ...(name === '' ? {} : { name: `${name} ${folder}` }),
  })
  onTestFinished(() => keelson.stop())
  return { keelson, ...playbooks }
}

const inside = ({ what }: Told): boolean => what === 'inside'

describe('a worker that is stopped', () => {
  it('#7 keeps its run for as long as it is, and goes on with it', async () => {
    const web = await here({ work: false, name: 'web' })
    const worker = await Host.open('worker')
    const run = await web.keelson.start(web.hold, {}, { id: 'r' })
    await worker.tells(inside)
    worker.process.kill('SIGSTOP')
    let taken = 0
    const other = await here({ hold: async () => `taken ${++taken}` })
    // Each of these is claimed here, and so everything that is due is asked for many times.
    for (let n = 0; n < 20; n++) {
      expect(await (await other.keelson.start(other.quick, { n }, { id: `q${n}` })).result()).toBe(n * 2)
    }
    const late = await here({ hold: async () => `taken ${++taken}`, name: 'late' })
    await late.keelson.quiet()
    expect(taken).toBe(0)
    worker.process.kill('SIGCONT')
    worker.process.send('release')
    expect(await run.result()).toBe('done by worker')
    expect(taken).toBe(0)
    expect(await web.keelson.audit.verify()).toMatchObject({ ok: true })
  })
})

describe('a worker that is killed', () => {
  it('is outlived by its lock file, which proves nothing: its run is taken', async () => {
    const web = await here({ work: false, name: 'web' })
    const worker = await Host.open('worker')
    const run = await web.keelson.start(web.hold, {}, { id: 'r' })
    await worker.tells(inside)
    await worker.kill()
    const locks = readdirSync(`${file}-workers`).filter((name) => /^worker-.*[.]lock$/.test(name))
    expect(locks).toHaveLength(1)
    await here()
    expect(await run.result()).toBe('done here')
    expect(existsSync(join(`${file}-workers`, locks[0]!))).toBe(false)
  })

  it('leaves its run to one that was idle all along, without a call by anybody', async () => {
    const worker = await Host.open('worker')
    const web = await here({ work: false, name: 'web' })
    const run = await web.keelson.start(web.hold, {}, { id: 'r' })
    await worker.tells(inside)
    const idle = await here()
    await idle.keelson.quiet()
    // What was written is followed by looks for some seconds, and one of those may see the death by chance.
    if (process.env['KEELSON_FULL'] === '1') await new Promise((resolve) => setTimeout(resolve, 6000))
    await worker.kill()
    expect(await run.result()).toBe('done here')
  })

  it('alone with a suspect leaves it to the next, who leads it to its end', async () => {
    const web = await here({ work: false, name: 'web' })
    const run = await web.keelson.start(web.hold, {}, { id: 'r' })
    const others = []
    for (let n = 0; n < 5; n++) others.push(await web.keelson.start(web.quick, { n }, { id: `q${n}` }))
    for (let life = 1; life <= 4; life++) {
      const worker = await Host.open(`worker ${life}`)
      await worker.tells(inside)
      await worker.kill()
    }
    const last = await here()
    expect(await run.result()).toBe('done here')
    expect(await Promise.all(others.map((other) => other.result()))).toEqual([0, 2, 4, 6, 8])
    expect((await last.keelson.inbox.list()).items).toEqual([])
  })
})

describe('a playbook that ends its process in its second step', () => {
  it('#17 is quarantined, it alone of twenty-one, and the others end', async () => {
    const web = await here({ work: false, name: 'web' })
    const healthy = []
    for (let n = 0; n < 20; n++) {
      healthy.push(await web.keelson.start(web.quick, { n }, { id: `q${n}` }))
      if (n === 10) await web.keelson.start(web.poison, {}, { id: 'poison' })
    }
    const quarantined = ({ what }: Told): boolean => what === 'run.quarantined'
    let exits = 0
    for (let over = false; !over;) {
      const host = new Host(`host ${exits + 1}`)
      over = await Promise.race([host.exited.then(() => false), host.tells(quarantined).then(() => true)])
      if (!over) exits++
      else expect(host.told.filter(quarantined)).toEqual([{ what: 'run.quarantined', run: 'poison' }])
      if (over) expect(await Promise.all(healthy.map((run) => run.result()))).toEqual(healthy.map((_, n) => n * 2))
    }
    expect(exits).toBeGreaterThanOrEqual(3)
    expect(await web.keelson.why('poison')).toContain('RUN_QUARANTINED')
    const { runs } = await web.keelson.runs.list({ state: 'open' })
    expect(runs.map(({ id }) => id)).toEqual(['poison'])
    expect((await web.keelson.inbox.list()).items).toMatchObject([{ kind: 'attention', code: 'RUN_QUARANTINED' }])
  })
})

describe('#17 a playbook whose second step', () => {
  /** How often the workers of a run died, as one says who comes later. */
  const deaths = async (): Promise<number | undefined> => {
    const store = sqlite(file)
    await store.open({ worker: 'reader', now: () => Date.now() })
    const [row] = await store.runs('default', { ids: ['poison'], limit: 1 })
    await store.close()
    return row?.deaths
  }

  it.each([
    ['leaves a rejection to nobody', 'rejection'],
    ['takes all memory', 'memory'],
  ])('%s: that is a death of its process, which counts, and others take what it held', async (_, poison) => {
    const web = await here({ work: false, name: 'web' })
    const run = await web.keelson.start(web.poison, {}, { id: 'poison' })
    const host = new Host('host', poison)
    await host.tells(inside)
    await host.exited
    expect(await deaths()).toBe(1)
    const other = await here()
    expect(await (await other.keelson.start(other.quick, { n: 4 }, { id: 'q' })).result()).toBe(8)
    expect(await run.result()).toBe('harmless here')
  })

  it('never ends hangs its process, which keeps its lock and its runs until somebody kills it; others go on', async () => {
    const web = await here({ work: false, name: 'web' })
    const run = await web.keelson.start(web.poison, {}, { id: 'poison' })
    const host = new Host('host', 'loop')
    await host.tells(inside)
    const other = await here()
    for (let n = 0; n < 10; n++)
      expect(await (await other.keelson.start(other.quick, { n }, { id: `q${n}` })).result()).toBe(n * 2)
    expect((await run.status()).state).not.toBe('completed')
    expect(await deaths()).toBe(0)
    await host.kill()
    expect(await run.result()).toBe('harmless here')
  })
})

describe('two conductors in one process on one file', () => {
  it('#8 share a thousand runs, each step done once', async () => {
    const did = new Map<string, number>()
    const count = (who: string) => async () => (did.set(who, (did.get(who) ?? 0) + 1), who)
    const one = await here({ hold: count('one'), name: 'one' })
    const two = await here({ hold: count('two'), name: 'two' })
    const runs = await Promise.all(
      Array.from({ length: 1000 }, (_, n) => {
        const { keelson, hold } = n % 2 === 0 ? one : two
        return keelson.start(hold, {}, { id: `r${n}` })
      }),
    )
    const results = await Promise.all(runs.map((run) => run.result()))
    const total = [...did.values()].reduce((sum, times) => sum + times, 0)
    expect(total).toBe(1000)
    expect(results.filter((who) => who === 'one')).toHaveLength(did.get('one') ?? 0)
    expect(await one.keelson.audit.verify()).toMatchObject({ ok: true })
  })
})
