/** Records that a run creates once more after it was taken back: they become what its code says now. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, definePlaybook, type Conductor, type Context } from '@keelson/core'
import { manualClock } from '@keelson/testing'
import { me, open, store } from '../support/open.ts'

const shape = z.object({ n: z.string(), cents: z.int(), note: z.string().optional(), text: z.string().default('') })
const Quote = defineEntity({ name: 'quote', version: 1, schema: shape, key: (quote) => quote.n })
const Line = defineEntity({ name: 'line', version: 1, schema: shape })

type Said = { version: number; data: z.output<typeof shape> }

/** Creates what the table says, round by round, and answers what it got. */
function quoting(rounds: readonly z.input<typeof shape>[], type = Quote, then?: (ctx: Context) => Promise<void>) {
  let round = 0
  return definePlaybook({
    name: 'quoting',
    version: 1,
    input: z.object({}),
    output: z.object({ version: z.number(), data: shape }),
    async run(ctx) {
      const said = await ctx.step('round', () => shape.parse(rounds[Math.min(round++, rounds.length - 1)]))
      const { version, data } = await ctx.entities(type).create(said)
      await then?.(ctx)
      return { version, data }
    },
  })
}

async function begun(
  playbook: ReturnType<typeof quoting>,
): Promise<{ keelson: Conductor; again: () => Promise<Said> }> {
  const keelson = await open(store(), { playbooks: [playbook], entities: [Quote, Line] })
  const run = await keelson.start(playbook, {}, { id: 'r' })
  await run.result()
  return {
    keelson,
    async again() {
      await keelson.runs.restart('r', { from: 'start', by: me })
      return run.result()
    },
  }
}

describe('a record that is created again', () => {
  it.each([Quote, Line])('is what the code says now ($name)', async (type) => {
    const rounds = [100, 200, 200, 100].map((cents) => ({ n: 'Q1', cents }))
    const { keelson, again } = await begun(quoting(rounds, type))
    expect(await again()).toMatchObject({ version: 2, data: { cents: 200 } })
    expect(await again()).toMatchObject({ version: 2, data: { cents: 200 } })
    expect(await again()).toMatchObject({ version: 3, data: { cents: 100 } })
    const { entities } = await keelson.entities(type).list()
    expect(entities).toMatchObject([{ version: 3, data: { n: 'Q1', cents: 100 } }])
    expect((await keelson.audit.story('r')).at(-2)).toContain('is at version 3')
  })

  it('loses what the code no longer says, and keeps what others made of the rest', async () => {
    const { keelson, again } = await begun(
      quoting([
        { n: 'Q1', cents: 100, note: 'hurry' },
        { n: 'Q1', cents: 200 },
      ]),
    )
    const quotes = keelson.entities(Quote, { by: me })
    const [quote] = (await quotes.list()).entities
    await quotes.update(quote!.id, { text: 'by hand' })
    expect((await again()).data).toEqual({ n: 'Q1', cents: 200, text: 'by hand' })
  })

  it('stays as it was made since where the code says the same', async () => {
    const { keelson, again } = await begun(quoting([{ n: 'Q1', cents: 100 }]))
    const quotes = keelson.entities(Quote, { by: me })
    const [quote] = (await quotes.list()).entities
    await quotes.update(quote!.id, { cents: 150 })
    expect(await again()).toMatchObject({ version: 2, data: { cents: 150 } })
  })

  describe('under names', () => {
    /** Its aliases and references, round by round. */
    async function naming(rounds: readonly { aliases?: string[]; refs?: Record<string, string> }[]) {
      let round = 0
      const names = definePlaybook({
        ...{ name: 'naming', version: 1, input: z.object({}), output: z.number() },
        async run(ctx) {
          const said = await ctx.step('round', () => rounds[Math.min(round++, rounds.length - 1)]!)
          const { version } = await ctx.entities(Quote).create({ n: 'Q1', cents: 1, text: '' }, said)
          await ctx.ask('and now?', { answer: z.string() })
          return version
        },
      })
      const keelson = await open(store(), { playbooks: [names], entities: [Quote] })
      await keelson.start(names, {}, { id: 'r' })
      await keelson.quiet()
      const again = async () => {
        await keelson.runs.restart('r', { from: 'start', by: me })
        await keelson.quiet()
        return (await keelson.entities(Quote).list()).entities[0]?.version
      }
      const quotes = keelson.entities(Quote, { by: me })
      const called = async (name: string) => (await quotes.byAlias(name)).length
      return { again, quotes, called }
    }

    it('goes by those that the code says now, and by what others have called it', async () => {
      const { again, quotes, called } = await naming([
        { aliases: ['old'], refs: { crm: '1', erp: '1' } },
        { aliases: ['new'], refs: { crm: '2' } },
      ])
      const [quote] = (await quotes.list()).entities
      await quotes.identify(quote!.id, { aliases: ['by hand'], refs: { shop: '9' } })
      expect(await again()).toBe(3)
      expect([await called('old'), await called('new'), await called('by hand')]).toEqual([0, 1, 1])
      const refs = ['crm 1', 'crm 2', 'erp 1', 'shop 9'].map(async (ref) => {
        const [system, name] = ref.split(' ')
        return (await quotes.byRef(system!, name!))?.id
      })
      expect(await Promise.all(refs)).toEqual([undefined, quote!.id, undefined, quote!.id])
      expect(await again()).toBe(3)
    })

    it('goes by none of those that were erased', async () => {
      const { again, quotes, called } = await naming([{ aliases: ['Ada'] }, { aliases: ['Ada', 'Countess'] }])
      const [quote] = (await quotes.list()).entities
      await quotes.erase(quote!.id, { reason: 'asked' })
      await quotes.restore(quote!.id)
      await again()
      expect([await called('Ada'), await called('Countess')]).toEqual([0, 0])
    })
  })

  it('in a later journal, and again after a restart, is what the code says now', async () => {
    let cents = 1
    const loop = definePlaybook({
      ...{ name: 'loop', version: 1, input: z.object({ more: z.boolean() }), output: z.number() },
      async run(ctx, { more }): Promise<number> {
        if (more) return ctx.continueAsNew({ more: false })
        const now = await ctx.step('cents', () => cents++)
        return (await ctx.entities(Quote).create({ n: 'Q1', cents: now, text: '' })).data.cents
      },
    })
    const keelson = await open(store(), {
      playbooks: [loop],
      entities: [Quote],
      clock: manualClock(0),
    })
    const run = await keelson.start(loop, { more: true }, { id: 'r' })
    expect(await run.result()).toBe(1)
    await keelson.runs.restart('r', { from: 'start', by: me })
    expect(await run.result()).toBe(2)
  })

  it('does not say again what was erased while the run was open, and is refused while it is archived', async () => {
    const rounds = [100, 200, 300].map((cents) => ({ n: 'Q1', cents, text: 'for Ada Lovelace' }))
    const waiting = quoting(rounds, Quote, async (ctx) => void (await ctx.ask('and now?', { answer: z.string() })))
    const keelson = await open(store(), { playbooks: [waiting], entities: [Quote] })
    const run = await keelson.start(waiting, {}, { id: 'r' })
    await keelson.quiet()
    const quotes = keelson.entities(Quote, { by: me })
    const [quote] = (await quotes.list()).entities
    await quotes.erase(quote!.id, { fields: ['text'] })
    const { text: blank } = (await quotes.get(quote!.id)).data
    await keelson.runs.restart('r', { from: 'start', by: me })
    await keelson.quiet()
    expect((await quotes.get(quote!.id)).data).toEqual({ n: 'Q1', cents: 200, text: blank })
    await quotes.archive(quote!.id)
    await keelson.runs.restart('r', { from: 'start', by: me })
    await expect(run.result()).rejects.toMatchObject({ code: 'ENTITY_ARCHIVED' })
  })

  it('is refused where it was made before the run continued: nothing was taken back', async () => {
    const rounds = definePlaybook({
      name: 'rounds',
      version: 1,
      input: z.object({ round: z.number() }),
      output: z.null(),
      async run(ctx, { round }) {
        await ctx.entities(Quote).create({ n: 'Q1', cents: round, text: '' })
        return round === 1 ? ctx.continueAsNew({ round: 2 }) : null
      },
    })
    const keelson = await open(store(), { playbooks: [rounds], entities: [Quote] })
    const run = await keelson.start(rounds, { round: 1 }, { id: 'r' })
    await expect(run.result()).rejects.toMatchObject({ code: 'ENTITY_EXISTS' })
    expect(await keelson.entities(Quote).list()).toMatchObject({ entities: [{ version: 1, data: { cents: 1 } }] })
  })
})
