/** Runs that are not what was written: a person finds them in the inbox, once, and the others go on. */
import { describe, expect, it } from 'vitest'
import { definePlaybook } from '@keelson/core'
import { KeelsonError, type ClaimAnswer, type MemoryStore, type Unit } from '@keelson/core/ports'
import { z } from 'zod'
import { code, me, open, store } from './support/open.ts'

const other = code((ctx) => ctx.step('x', () => 'went on'), { name: 'other' })
const waits = definePlaybook({
  ...{ name: 'waits', version: 1, input: z.object({}), output: z.number() },
  async run(ctx) {
    await ctx.step('first', () => 1)
    await ctx.sleep('1h')
    return 2
  },
})
const playbooks = [waits, other] as const

interface Damage {
  why?: string
  row?: true
  /** Nothing can be written to the inbox. */
  inbox?: true
  /** The next commit that holds a run fails. */
  held?: boolean
}

/** A store of which the run `r` is not what was written, as `how` says, while it says something. */
function damaged(data: ReturnType<typeof store>, how: Damage): MemoryStore {
  const sound = data.session()
  const claim: MemoryStore['claim'] = async (query) => {
    const answer = await sound.claim(query)
    const { why } = how
    if (why === undefined) return answer
    const hit = answer.claimed.filter(({ row }) => row.id === 'r')
    const rest = answer.claimed.filter(({ row }) => row.id !== 'r')
    if (how.row !== true)
      return { ...answer, claimed: [...rest, ...hit.map((one) => ({ ...one, entries: [], mail: [], corrupt: why }))] }
    const corrupt: ClaimAnswer['corrupt'] = hit.map(({ row }) => ({ workspace: row.workspace, run: row.id, why }))
    return { ...answer, claimed: rest, corrupt }
  }
  const write: MemoryStore['write'] = async (workspace, unit: Unit) => {
    if (how.inbox === true && unit.records?.some(({ kind }) => kind === 'inbox') === true)
      throw new KeelsonError('STORE_CORRUPT', 'the records are crooked')
    return sound.write(workspace, unit)
  }
  const commit: MemoryStore['commit'] = async (lease, unit) => {
    if (how.held !== true || unit.next?.to !== 'held') return sound.commit(lease, unit)
    how.held = false
    throw new KeelsonError('STORE_FAILED', 'the disk is away')
  }
  const ours: { [name: string | symbol]: unknown } = { claim, write, commit }
  return new Proxy(sound, { get: (of, name) => ours[name] ?? (Reflect.get(of, name, of) as unknown) })
}

async function company(how: Damage) {
  const told: string[] = []
  const log = { info: () => {}, warn: () => {}, error: (_fields: object, message: string) => void told.push(message) }
  const data = store()
  const keelson = await open(data, { playbooks, store: damaged(data, how), log })
  const failed: string[] = []
  const opened: string[] = []
  keelson.on('store.failed', ({ message }) => failed.push(message))
  keelson.on('item.opened', ({ title }) => opened.push(title))
  const items = async () => (await keelson.quiet(), (await keelson.inbox.list()).items)
  return { keelson, told, failed, opened, items }
}

describe('a run that is not what was written', () => {
  it.each([
    ['its journal', {}, { playbook: { name: 'waits', version: 1 } }],
    ['its row', { row: true }, {}],
  ] as const)('in %s is in the inbox, and the others go on', async (_what, more, known) => {
    const { keelson, failed, opened, items } = await company({ why: 'a crooked row', ...more })
    await keelson.start(waits, {}, { id: 'r' })
    expect(await (await keelson.start(other, {}, { id: 'o' })).result()).toBe('went on')
    const [item, ...rest] = await items()
    const title = 'run r cannot be read: a crooked row'
    expect(item).toMatchObject({ kind: 'attention', code: 'STORE_CORRUPT', run: 'r', title, ...known })
    expect(item!.allows).toEqual(['dismiss', 'delegate'])
    expect([rest, opened, failed]).toEqual([[], [title], []])
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it('is there once for each finding, and stays put away once it was dismissed', async () => {
    const how: { why?: string } = { why: 'a crooked row' }
    const { keelson, opened, items } = await company(how)
    await keelson.start(waits, {}, { id: 'r' })
    const [first] = await items()
    await keelson.runs.retry('r', { by: me })
    expect(await items()).toEqual([first])
    const decided = await keelson.inbox.decide(first!.id, { hash: first!.hash, by: me, dismiss: true })
    expect(decided).toEqual({ status: 'done' })
    await keelson.runs.retry('r', { by: me })
    expect(await items()).toEqual([])
    how.why = 'another row'
    await keelson.runs.retry('r', { by: me })
    const [second] = await items()
    expect(second).toMatchObject({ id: first!.id, title: 'run r cannot be read: another row' })
    expect(second!.hash).not.toBe(first!.hash)
    expect(opened).toEqual(['run r cannot be read: a crooked row', 'run r cannot be read: another row'])
  })

  it('is no more in the inbox once it could be read and went on, and is again where it cannot', async () => {
    const how: { why?: string } = { why: 'a crooked row' }
    const { keelson, items } = await company(how)
    await keelson.start(waits, {}, { id: 'r' })
    expect(await items()).toHaveLength(1)
    delete how.why
    await keelson.runs.retry('r', { by: me })
    expect(await items()).toEqual([])
    expect(await keelson.runs.get('r').status()).toMatchObject({ state: 'waiting', for: [{ kind: 'timer' }] })
    how.why = 'a crooked row'
    await keelson.runs.retry('r', { by: me })
    expect(await items()).toHaveLength(1)
  })

  it('is there once, and held, where the commit that holds it fails behind the item', async () => {
    const { keelson, failed, opened, items } = await company({ why: 'a crooked row', held: true })
    const recovered = new Promise((resolve) => keelson.on('store.recovered', resolve))
    await keelson.start(waits, {}, { id: 'r' })
    await recovered
    expect(await items()).toHaveLength(1)
    expect(await keelson.runs.get('r').status()).toMatchObject({ state: 'waiting', for: [{ kind: 'operator' }] })
    expect([opened.length, failed]).toEqual([1, ['the disk is away']])
    expect((await keelson.audit.verify()).faults).toEqual([])
  })

  it('is told by the log alone where the inbox cannot be written to, and the others go on', async () => {
    const { keelson, told, failed, opened } = await company({ why: 'a crooked row', inbox: true })
    await keelson.start(waits, {}, { id: 'r' })
    await keelson.quiet()
    expect(await (await keelson.start(other, {}, { id: 'o' })).result()).toBe('went on')
    expect(told.join()).toContain('the inbox could not be told of run r: KeelsonError: the records are crooked')
    expect(told).toContain('run r cannot be read: a crooked row')
    expect(await keelson.why('r')).toContain('a crooked row')
    expect([failed, opened]).toEqual([[], []])
  })
})
