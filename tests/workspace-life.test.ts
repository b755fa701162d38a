/** A workspace from its making to its deletion. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import {
  action,
  createConductor,
  defineAgent,
  defineEntity,
  defineEvent,
  definePlaybook,
  policy,
  type Conductor,
  type MemoryStore,
  type Models,
} from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import type { Unit } from '@keelson/core/ports'
import { intercept, memoryStore, storeFailure } from '@keelson/testing'
import { me } from './support/open.ts'

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const go = defineEvent({ name: 'go', schema: z.object({}) })
const waits = definePlaybook({
  name: 'waits',
  version: 1,
  input: z.object({ secret: z.string() }),
  output: z.object({ secret: z.string() }),
  async run(ctx, { secret }) {
    await ctx.step('note', () => secret)
    await ctx.waitFor(go)
    return { secret }
  },
})

async function open(store: MemoryStore): Promise<Conductor> {
  const conductor = await createConductor({ store, playbooks: [waits], log: quiet, keepAlive: false })
  onTestFinished(() => conductor.stop({ withinMs: 100 }))
  return conductor
}

describe('a workspace', () => {
  it('that is resumed while a pass holds a run of it leaves none held, nor where the process died over it', async () => {
    for (const dies of [false, true]) {
      const store = memoryStore()
      const idle = { playbooks: [waits], log: quiet, keepAlive: false, work: false }
      const between = await createConductor({ ...idle, store: store.session() })
      const acme = await between.workspaces.create('acme', { by: me })
      await acme.start(waits, { secret: 's' }, { id: 'r' })
      await acme.suspend({ by: me, reason: 'not paid' })
      let resumed: Promise<void> | undefined
      const late = intercept(store.session(), {
        async before(op) {
          if (op !== 'commit' || resumed !== undefined) return
          resumed = acme.resume({ by: me })
          await resumed
        },
        after(op) {
          if (dies && op === 'commit') throw storeFailure()
        },
      })
      const first = await open(late)
      await first.quiet().catch(() => undefined)
      expect(resumed).toBeDefined()
      await resumed
      await between.stop()
      if (dies) await first.stop({ withinMs: 0 })
      const at = dies ? await open(store.session()) : first
      const again = at.workspace('acme')
      await again.send(go, {}, { id: 'go' })
      const run = await again.start(waits, { secret: 's' }, { id: 'r' })
      expect(await run.result(), String(dies)).toEqual({ secret: 's' })
    }
  })

  it('that is suspended lets no run go on and none begin, and goes on with what came when it is resumed', async () => {
    const conductor = await open(memoryStore())
    const acme = await conductor.workspaces.create('acme', { by: me })
    await conductor.workspaces.create('acme', { by: me })
    const run = await acme.start(waits, { secret: 's' }, { id: 'r' })
    const other = await conductor.workspace('other').start(waits, { secret: 's' }, { id: 'r' })
    await conductor.quiet()
    await acme.suspend({ by: me, reason: 'not paid' })
    await conductor.workspace('other').send(go, {}, { id: 'go' })
    await other.result()
    await conductor.quiet()
    expect(await conductor.workspaces.state('acme')).toBe('suspended')
    await expect(acme.start(waits, { secret: 's' }, { id: 'q' })).rejects.toMatchObject({ code: 'WORKSPACE_CLOSED' })
    await expect(acme.send(go, {}, { id: 'go2' })).rejects.toMatchObject({ code: 'WORKSPACE_CLOSED' })
    await acme.runs.pause('r', { by: me, reason: 'a verb reaches it' })
    await conductor.quiet()
    expect(await run.status()).toMatchObject({ state: 'waiting' })
    expect(await acme.why('r')).toContain('suspended: not paid')
    await acme.resume({ by: me })
    await acme.runs.resume('r', { by: me })
    await acme.send(go, {}, { id: 'go' })
    expect(await run.result()).toEqual({ secret: 's' })
    expect(await acme.audit.verify()).toMatchObject({ ok: true })
  })

  it.each([
    ['the pass is told', false],
    ['its word is lost', true],
  ])('that is suspended sends nothing more, nor does a run that is under way go on: %s', async (_how, lost) => {
    const sent: number[] = []
    const steps: number[] = []
    const ping = action({
      name: 'post.ping',
      effect: 'irreversible',
      idempotency: { by: 'key' },
      input: z.object({ n: z.int() }),
      output: z.null(),
      async run({ n }) {
        sent.push(n)
        if (n === 1 && sent.length === 2) await acme.suspend({ by: me, reason: 'not paid' })
        return { output: null }
      },
    })
    const pings = definePlaybook({
      name: 'pings',
      version: 1,
      input: z.object({}),
      output: z.null(),
      async run(ctx) {
        for (let n = 0; n < 5; n++) {
          await ctx.act(ping, { n })
          if (!lost) await ctx.step('count', () => void steps.push(n))
        }
        return null
      },
    })
    const data = memoryStore()
    const deaf = intercept(data.session(), {
      before(op, [, unit]) {
        const deliveries = (unit as { deliveries?: { kind: string }[] } | undefined)?.deliveries
        if (lost && op === 'write') deliveries?.splice(0, deliveries.filter((one) => one.kind === 'suspend').length)
      },
    })
    const free = policy([policy.rule('free', { on: ping }, () => policy.allow())])
    const options = { store: deaf, playbooks: [pings], actions: [ping], policy: free, log: quiet, keepAlive: false }
    const conductor = await createConductor(options)
    onTestFinished(() => conductor.stop({ withinMs: 100 }))
    const acme = conductor.workspace('acme')
    const run = await acme.start(pings, {}, { id: 'r' })
    await conductor.quiet()
    expect([sent, await acme.why('r')]).toEqual([[0, 1], expect.stringContaining('suspended: not paid')])
    if (!lost) expect(steps).toEqual([0])
    await acme.resume({ by: me })
    await run.result()
    expect(sent).toEqual([0, 1, 2, 3, 4])
  })

  it('that is suspended pays for no answer of an agent more, told or not', async () => {
    const writer = defineAgent({
      name: 'writer',
      version: 1,
      instructions: 'Write briefly.',
      input: z.object({ n: z.int() }),
      output: z.null(),
    })
    const letters = definePlaybook({
      name: 'letters',
      version: 1,
      input: z.object({}),
      output: z.null(),
      async run(ctx) {
        for (let n = 0; n < 4; n++) await ctx.delegate(writer, { n })
        return null
      },
    })
    const deaf = intercept(memoryStore().session(), {
      before(op, [, unit]) {
        const deliveries = (unit as { deliveries?: { kind: string }[] } | undefined)?.deliveries
        if (op === 'write') deliveries?.splice(0, deliveries.filter((one) => one.kind === 'suspend').length)
      },
    })
    let asked = 0
    const models: Models = async () => {
      if (++asked === 2) await acme.suspend({ by: me, reason: 'not paid' })
      return { output: null }
    }
    const options = { store: deaf, playbooks: [letters], models, log: quiet, keepAlive: false }
    const conductor = await createConductor(options)
    onTestFinished(() => conductor.stop({ withinMs: 100 }))
    const acme = conductor.workspace('acme')
    const run = await acme.start(letters, {}, { id: 'r' })
    await conductor.quiet()
    expect([asked, await acme.why('r')]).toEqual([2, expect.stringContaining('suspended: not paid')])
    await acme.resume({ by: me })
    await run.result()
    expect(asked).toBe(4)
  })

  it.each([false, true])(
    'that is suspended just before it asks an agent does not ask it; in shadow: %s',
    async (shadow) => {
      const writer = defineAgent({
        name: 'writer',
        version: 1,
        instructions: 'Write briefly.',
        input: z.object({}),
        output: z.null(),
      })
      const letter = definePlaybook({
        name: 'letter',
        version: 1,
        input: z.object({}),
        output: z.null(),
        run: (ctx) => ctx.delegate(writer, {}),
      })
      let met = 0
      const store = intercept(memoryStore().session(), {
        async before(op, [, unit]) {
          const entries = (unit as Unit | undefined)?.entries ?? []
          if (op !== 'commit' || !entries.some(({ kind }) => kind === 'agent.sending') || ++met > 1) return
          await acme.suspend({ by: me, reason: 'not paid' })
        },
      })
      let asked = 0
      const models: Models = async () => ({ output: (asked++, null) })
      const conductor = await createConductor({ store, playbooks: [letter], models, log: quiet, keepAlive: false })
      onTestFinished(() => conductor.stop({ withinMs: 100 }))
      const acme = conductor.workspace('acme')
      const run = await acme.start(letter, {}, { id: 'r', shadow })
      await conductor.quiet()
      expect([met, asked]).toEqual([1, 0])
      await acme.resume({ by: me })
      await run.result()
      expect(asked).toBe(1)
    },
  )

  it('is not quarantined for all that came while it was suspended', async () => {
    const conductor = await open(memoryStore())
    const acme = conductor.workspace('acme')
    const run = await acme.start(waits, { secret: 's' }, { id: 'r' })
    await conductor.quiet()
    await acme.suspend({ by: me, reason: 'not paid' })
    for (let n = 0; n < 15; n++) {
      await acme.runs.pause('r', { by: me, reason: `${n}` })
      await conductor.quiet()
    }
    await acme.resume({ by: me })
    await acme.runs.resume('r', { by: me })
    await acme.send(go, {}, { id: 'go' })
    expect(await run.result()).toEqual({ secret: 's' })
  })

  it('that another process deleted and began anew is found under its new key', async () => {
    const Person = defineEntity({
      name: 'person',
      version: 1,
      schema: z.object({ mail: z.string() }),
      index: ['mail'],
      private: ['mail'],
    })
    const store = memoryStore()
    const [one, two] = [await open(store), await open(store.session())]
    const [here, there] = [one.workspace('acme'), two.workspace('acme')]
    await there.entities(Person, { by: me }).create({ mail: 'a@x.org' })
    expect(await here.entities(Person).find({ mail: 'a@x.org' })).toBeDefined()
    await here.suspend({ by: me, reason: 'they left' })
    await here.delete({ by: me, confirm: 'acme' })
    await one.workspaces.create('acme', { by: me })
    await here.entities(Person, { by: me }).create({ mail: 'b@x.org' })
    expect(await there.entities(Person).find({ mail: 'b@x.org' })).toBeDefined()
  })

  it('is deleted only when it is suspended, at rest and confirmed, and then nothing of it is left in the file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keelson-life-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const store = sqlite(join(folder, 'app.db'))
    const conductor = await open(store)
    const acme = conductor.workspace('acme')
    await acme.start(waits, { secret: 'canary-of-acme' }, { id: 'r' })
    await conductor.workspace('other').start(waits, { secret: 'canary-of-other' }, { id: 'r' })
    await conductor.quiet()
    await expect(acme.delete({ by: me, confirm: 'acme' })).rejects.toMatchObject({ code: 'WORKSPACE_ACTIVE' })
    await acme.suspend({ by: me, reason: 'they left' })
    await conductor.quiet()
    await expect(acme.delete({ by: me, confirm: 'acne' })).rejects.toMatchObject({ code: 'INPUT_INVALID' })
    await acme.delete({ by: me, confirm: 'acme' })
    await acme.delete({ by: me, confirm: 'acme' })
    expect(await conductor.workspaces.list()).toEqual(['other'])
    expect(await conductor.workspaces.state('acme')).toBe('deleted')
    expect((await acme.runs.list()).runs).toEqual([])
    expect(await acme.audit.verify()).toMatchObject({ ok: true })
    expect(await conductor.workspace('other').audit.verify()).toMatchObject({ ok: true })
    await expect(acme.start(waits, { secret: 's' }, { id: 'q' })).rejects.toMatchObject({ code: 'WORKSPACE_CLOSED' })
    await conductor.workspaces.create('acme', { by: me })
    await acme.start(waits, { secret: 'new' }, { id: 'r' })
    await conductor.quiet()
    expect(await acme.audit.verify()).toMatchObject({ ok: true })
    await conductor.stop()
    const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
    const bytes = files.map((one) => readFileSync(join(one.parentPath, one.name)).toString('latin1'))
    expect(bytes.some((text) => text.includes('canary-of-acme'))).toBe(false)
    expect(bytes.some((text) => text.includes('canary-of-other'))).toBe(true)
  })
})
