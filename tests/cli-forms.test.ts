/** The terminal, where it says of what form an answer is: the fields, and an example that is taken. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { action, createConductor, defineBudget, definePlaybook, defineTrust, policy } from '@keelson/core'
import { sqlite } from '@keelson/memory-sqlite'
import { manualClock } from '@keelson/testing'
import { exampleOf, fieldsOf } from '../packages/cli/src/form.ts'
import { shared } from './support/terminal.ts'

const log = { info: () => {}, warn: () => {}, error: () => {} }
const { run: keelson, end } = shared()
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keelson-forms-'))
})

afterAll(async () => {
  end()
  await rm(folder, { recursive: true, force: true })
})

/** What `such as:` or `answer it:` shows, as a shell takes it apart. */
function exampleIn(stdout: string): string {
  return /npx keelson answer \S+ \S+ -m '?(.+?)'?(?: \(or .*)?$/m.exec(stdout)![1]!
}

describe('an answer of several fields', () => {
  const Answer = z.object({
    next: z.enum(['write-off', 'lawyer']).describe('what is to be done'),
    by: z.iso.date(),
    fee: z.int().min(5).max(50).optional(),
    who: z.object({ name: z.string().min(2), mail: z.email() }),
  })
  const asks = definePlaybook({
    name: 'asks',
    version: 1,
    input: z.object({}),
    output: Answer,
    run: (ctx) => ctx.ask('What now?', { answer: Answer }),
  })

  it('is shown field by field, with an example that is taken', async () => {
    const store = join(folder, 'asks.db')
    const app = await createConductor({ store: sqlite(store), playbooks: [asks], log })
    await app.start(asks, {}, { id: 'r' })
    await app.quiet()
    const { id } = (await app.inbox.list()).items[0]!
    const fields = [
      'next: "write-off" | "lawyer" (what is to be done)',
      'by: text, date',
      'fee: a whole number >= 5, <= 50 (may be left out)',
      'who.name: text, at least 2 characters',
      'who.mail: text, email',
    ]
    const [item, why] = [await keelson(['inbox', store, id]), await keelson(['why', store, 'r'])]
    for (const { stdout } of [item, why]) for (const field of fields) expect(stdout).toContain(`  ${field}\n`)
    expect(exampleIn(why.stdout)).toBe(exampleIn(item.stdout))
    expect(await keelson(['answer', store, id, '-m', exampleIn(item.stdout), '--yes'])).toMatchObject({ code: 0 })
    await app.runs.get('r').result()
    await app.stop()
  })
})

const charge = action({
  name: 'bank.charge',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ amount: z.object({ amount: z.int(), currency: z.string() }) }),
  output: z.object({}),
  run: () => ({ output: {} }),
})
const pay = definePlaybook({
  name: 'pay',
  version: 1,
  input: z.object({ cents: z.int() }),
  output: z.object({}),
  run: (ctx, { cents }) => ctx.act(charge, { amount: { amount: cents, currency: 'EUR' } }),
})

describe('a budget that is reached', () => {
  it('says in which unit it is raised, and shows an answer that raises it', async () => {
    const store = join(folder, 'budget.db')
    const gate = policy([policy.rule('free', { on: charge }, () => policy.allow())])
    const budgets = [defineBudget({ name: 'all', limit: { money: { amount: 10_000, currency: 'EUR' } } })]
    const app = await createConductor({ store: sqlite(store), playbooks: [pay], policy: gate, log, budgets })
    await app.start(pay, { cents: 9600 }, { id: 'a' })
    await app.quiet()
    await app.start(pay, { cents: 1000 }, { id: 'b' })
    await app.quiet()
    const { id } = (await app.inbox.list()).items[0]!
    const { stdout } = await keelson(['inbox', store, id])
    expect(stdout).toContain('96.00 of 100.00 EUR')
    expect(stdout).toContain('A raise counts minor units: 1000 is 10.00 EUR.')
    expect(stdout).toContain('  money.amount: a number > 0 (minor units: 1000 is 10.00 EUR)\n  money.currency: "EUR"\n')
    expect(JSON.parse(exampleIn(stdout))).toEqual({ money: { amount: 1000, currency: 'EUR' } })
    expect(await keelson(['answer', store, id, '-m', exampleIn(stdout), '--yes'])).toMatchObject({ code: 0 })
    await app.runs.get('b').result()
    expect((await app.budgets.list())[0]).toMatchObject({ raised: { money: 1000 } })
    await app.stop()
  })
})

const DEFINITIONS = `
  import { action, defineTrust, policy } from '@keelson/core'
  import { z } from 'zod'
  const note = action({
    name: 'crm.note',
    effect: 'reversible',
    idempotency: { by: 'key' },
    input: z.object({ text: z.string() }),
    output: z.object({}),
    undo: z.object({}),
    run: () => ({ output: {}, undo: {} }),
    compensate: () => {},
  })
  const verdict = policy.ask({ grantable: true })
  const trust = [defineTrust(note, { start: 'approve', ceiling: 'automatic', version: '1' })]
  const rules = policy([policy.rule('eyes', { on: note }, () => verdict)])
  export default { actions: [note], trust, policy: rules }`
const real = (text: string): string =>
  text.replaceAll(/from '([^']+)'/g, (_all, name: string) => `from ${JSON.stringify(import.meta.resolve(name))}`)

describe('a proposal of trust', () => {
  it('says how it is answered, and that answer counts', async () => {
    const store = join(folder, 'trust.db')
    const note = action({
      name: 'crm.note',
      effect: 'reversible',
      idempotency: { by: 'key' },
      input: z.object({ text: z.string() }),
      output: z.object({}),
      undo: z.object({}),
      run: () => ({ output: {}, undo: {} }),
      compensate: () => {},
    })
    const notes = definePlaybook({
      name: 'notes',
      version: 1,
      input: z.object({ text: z.string() }),
      output: z.object({}),
      run: (ctx, input) => ctx.act(note, input),
    })
    const verdict = policy.ask({ grantable: true })
    const gate = policy([policy.rule('eyes', { on: note }, () => verdict)]) // a rule is known by its text
    const clock = manualClock(Date.now() - 3_600_000) // the terminal goes by the clock on the wall
    const trust = [defineTrust(note, { start: 'approve', ceiling: 'automatic', version: '1' })]
    const app = await createConductor({ store: sqlite(store), playbooks: [notes], policy: gate, trust, log, clock })
    const by = { kind: 'person', id: 'ann' } as const
    for (let i = 0; i < 50; i++) {
      await app.start(notes, { text: 'x' }, { id: `n${i}` })
      await app.quiet()
      const { id, hash } = (await app.inbox.list({ run: `n${i}` })).items[0]!
      await app.inbox.opened(id, { by })
      clock.to(clock.now() + 10_000)
      await app.inbox.decide(id, { hash, by, approve: true })
    }
    await app.quiet()
    const { id } = (await app.inbox.list()).items[0]!
    const { stdout } = await keelson(['inbox', store, id])
    expect(stdout).toContain('{ good: false }, or dismiss it, to leave it as it is')
    expect(stdout).toContain('\n  good: true | false\n')
    expect(exampleIn(stdout)).toBe('{"good":true}')
    const answer = ['answer', store, id, '-m', exampleIn(stdout), '--yes']
    const unheard = await keelson(answer)
    expect(unheard.code).toBe(3)
    expect(unheard.stdout).toMatch(
      /no defineTrust\(\) of crm\.note is known to this process.*\n.*--with \.\/your-definitions/,
    )
    expect(await app.inbox.get(id)).toMatchObject({ state: 'open' })
    const definitions = join(folder, 'definitions.mjs')
    await writeFile(definitions, real(DEFINITIONS))
    expect(await keelson([...answer, '--with', definitions])).toMatchObject({ code: 0 })
    const without = join(folder, 'without.mjs')
    await writeFile(without, real(DEFINITIONS.replace(', policy: rules', '')))
    const other = await keelson(['inbox', store, '--with', without])
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('names trust and no policy') })
    expect(await app.trust.list()).toMatchObject([{ rung: 'batch' }])
    await app.stop()
  })
})

describe('a form', () => {
  it.each([
    [z.boolean(), ['the answer: true | false'], true],
    [z.array(z.string()).min(2), ['the answer: a list of text at least 2 of them'], ['text', 'text']],
    [z.string().nullable(), ['the answer: text | null'], 'text'],
    [z.union([z.literal(1), z.object({ a: z.null() })]), ['the answer: 1 | { a }'], 1],
    [
      z.discriminatedUnion('k', [z.object({ k: z.literal('a'), n: z.int() }), z.object({ k: z.literal('b') })]),
      ['k: "a" | "b"', 'n: a whole number (may be left out)'],
      { k: 'a', n: 1 },
    ],
    [z.object({ a: z.string().regex(/^\d+$/) }), ['a: text'], undefined],
    [z.record(z.string(), z.number()), ['the answer: an object'], undefined],
    [z.number().multipleOf(7), ['the answer: a number'], undefined],
    [z.any(), [], undefined],
  ])('of %# names its fields, and has an example only where one fits', (schema, fields, example) => {
    const json = z.toJSONSchema(schema, { io: 'input' }) as Parameters<typeof fieldsOf>[0]
    expect(fieldsOf(json)).toEqual(fields)
    expect(exampleOf(json)).toEqual(example)
    if (example !== undefined) expect(schema.safeParse(example).success).toBe(true)
  })
})
