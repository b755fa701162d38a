/** Company: a workspace with a long past, made through the public verbs and no others, and asked what its screens ask. */
import { join } from 'node:path'
import {
  action,
  createConductor,
  defineEntity,
  definePlaybook,
  policy,
  type Actor,
  type Conductor,
  type InboxItem,
} from '@keelson/core'
import { systemClock } from '@keelson/core/ports'
import { sqlite } from '@keelson/memory-sqlite'
import { z } from 'zod'
import { note } from '../measure/child.ts'
import { result } from '../measure/work.ts'
import { silent } from './keelson.ts'

export interface CompanyTask {
  readonly folder: string
  readonly entries: number
  readonly approvals: number
  /** Of the approvals, those that still wait. */
  readonly open: number
  readonly customers: number
}

export interface Filled {
  readonly runs: number
  readonly ms: number
}

/** Milliseconds of each asking, by question; and how much each answered at the median. */
export interface Asked {
  readonly entries: number
  readonly questions: readonly { readonly name: string; readonly ms: readonly number[]; readonly rows: number }[]
}

const STEPS = 12
/** Of a run of STEPS steps and one write; of a run with an approval, its effect's run and the decision. */
const PER_VISIT = STEPS + 3
const PER_LETTER = 12
const IN_FLIGHT = 200

const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), visits: z.number() }),
  index: ['name'],
})
const letter = action({
  name: 'letter.post',
  effect: 'irreversible',
  idempotency: { by: 'key' },
  input: z.object({ to: z.string(), text: z.string() }),
  output: z.null(),
  run: () => ({ output: null }),
})
const visit = definePlaybook({
  name: 'visit',
  version: 1,
  input: z.object({ customer: z.string(), nth: z.number() }),
  output: z.null(),
  async run(ctx, { customer, nth }) {
    for (let at = 0; at < STEPS; at++) await ctx.step(`step-${at}`, () => result(customer, at))
    await ctx.entities(Customer).update(customer, { visits: nth })
    return null
  },
})
const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ customer: z.string() }),
  output: z.null(),
  async run(ctx, { customer }) {
    const known = await ctx.entities(Customer).get(customer)
    const asked = await ctx.step('enquiry', () => ({ text: `${customer} asks: `.repeat(200) }))
    return ctx.act(letter, { to: customer, text: 'Dear customer' }, { because: [known, asked] })
  },
})

const person = (nth: number): Actor => ({ kind: 'person', id: `person-${nth % 20}` })

function open(task: CompanyTask, more: Partial<Parameters<typeof createConductor>[0]> = {}): Promise<Conductor> {
  return createConductor({
    store: sqlite(join(task.folder, 'keelson.db'), { durability: 'process' }),
    playbooks: [visit, write],
    policy: policy([policy.rule('letters are read first', { on: letter }, () => policy.ask())]),
    concurrency: IN_FLIGHT,
    log: silent,
    keepAlive: false,
    ...more,
  })
}

export async function fill(task: CompanyTask): Promise<Filled> {
  const began = performance.now()
  const conductor = await open(task)
  const customers: string[] = []
  for (let at = 0; at < task.customers; at++) {
    const { id } = await conductor.entities(Customer, { by: person(at) }).create({ name: `customer ${at}`, visits: 0 })
    customers.push(id)
  }
  const visits = Math.max(1, Math.round((task.entries - task.approvals * PER_LETTER) / PER_VISIT))
  await many('visits', visits, async (at) => {
    const input = { customer: customers[at % customers.length]!, nth: at }
    const by = at % 10 === 0 ? { by: person(at) } : {}
    await (await conductor.start(visit, input, { id: `visit-${at}`, ...by })).result()
  })
  await many('letters', task.approvals, async (at) => {
    await conductor.start(write, { customer: customers[at % customers.length]! }, { id: `letter-${at}` })
  })
  await conductor.quiet()
  await decideAll(conductor, task.approvals - task.open)
  await conductor.quiet()
  await conductor.stop()
  return { runs: visits + task.approvals, ms: performance.now() - began }
}

/** Answers the oldest of those that wait, until so many are answered. */
async function decideAll(conductor: Conductor, wanted: number): Promise<void> {
  for (let decided = 0; decided < wanted;) {
    const { items } = await conductor.inbox.list({ limit: Math.min(500, wanted - decided) })
    if (items.length === 0) throw new Error('fewer wait than were asked')
    await Promise.all(items.map((item, at) => answer(conductor, item, decided + at)))
    decided += items.length
    note({ what: 'decisions', done: decided, of: wanted })
  }
}

async function answer(conductor: Conductor, { id, hash }: InboxItem, nth: number): Promise<void> {
  const how = nth % 12 === 0 ? { reject: 'not this one' } : { approve: true as const }
  const { status } = await conductor.inbox.decide(id, { hash, by: person(nth), ...how })
  if (status !== 'done') throw new Error(`${id} was refused`)
}

async function many(what: string, of: number, one: (at: number) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    for (let at = next++; at < of; at = next++) {
      await one(at)
      if (at % 2000 === 0) note({ what, done: at, of })
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
}

/** Opens the company anew and asks each question `times` times, each time about something else. */
export async function ask(task: CompanyTask & { readonly times: number }): Promise<Asked> {
  const conductor = await open(task)
  const { audit, inbox } = conductor
  const customers = conductor.entities(Customer)
  const ids: string[] = []
  for (let at = 0; at < Math.min(task.customers, 200); at++) {
    const found = await customers.find({ name: `customer ${(at * 7919) % task.customers}` })
    ids.push(found!.id)
  }
  const id = (at: number): string => ids[at % ids.length]!
  const about = (at: number) => ({ type: Customer, id: id(at) })
  const inboxPages = await places(async (after) => inbox.list({ limit: 50, ...after }), 20)
  const auditPages = await places(async (after) => audit.query({ limit: 100, ...after }), 100)
  const end = async (order: 'oldest' | 'newest') => Date.parse((await audit.query({ order, limit: 1 })).lines[0]!.at)
  const first = await end('oldest')
  const span = (await end('newest')) - first
  const time = (at: number): string => new Date(first + (span * ((at * 37) % 100)) / 100).toISOString()
  // People decide on letters at the end of what it has lived through, however long the rest took to make.
  const decided = await audit.query({ order: 'oldest', limit: 1, actor: person(1), action: letter })
  const since = Date.parse(decided.lines[0]!.at)
  const later = (at: number): string =>
    new Date(since + ((first + span - since) * (1 + ((at * 37) % 100))) / 100).toISOString()
  const questions: [string, (at: number) => Promise<number>][] = [
    ['inbox, a page of 50', async (at) => (await inbox.list({ limit: 50, ...inboxPages(at) })).items.length],
    ['audit, a page of 100', async (at) => (await audit.query({ limit: 100, ...auditPages(at) })).lines.length],
    ['audit of an actor', async (at) => (await audit.query({ limit: 100, actor: person(at) })).lines.length],
    ['audit of an entity', async (at) => (await audit.query({ limit: 100, entity: about(at) })).lines.length],
    ['audit of an action', async () => (await audit.query({ limit: 100, action: letter })).lines.length],
    [
      'audit from a time on',
      async (at) => (await audit.query({ limit: 100, order: 'oldest', from: time(at) })).lines.length,
    ],
    [
      'audit of an actor and an action until a time',
      async (at) => (await audit.query({ limit: 100, actor: person(at), action: letter, to: later(at) })).lines.length,
    ],
    ['entity, its timeline', async (at) => (await customers.timeline(id(at))).length],
    ['entity, why its field holds its value', async (at) => (await audit.why(Customer, id(at), 'visits')).version],
  ]
  const asked: Asked['questions'][number][] = []
  for (const [name, question] of questions) {
    note({ what: name, done: 0, of: task.times })
    asked.push(await times(name, question, task.times))
  }
  const entries = await count(conductor)
  await conductor.stop()
  asked.push(await reports(task))
  return { entries, questions: asked }
}

/** Reports of a month, when the days that it was made in are over and have been summed up. */
async function reports(task: CompanyTask & { readonly times: number }): Promise<Asked['questions'][number]> {
  const clock = { ...systemClock, now: () => systemClock.now() + 2 * 86_400_000 }
  const conductor = await open(task, { clock, work: false })
  const by = ['playbook', 'day', 'week'] as const
  const report = async (at: number) => (await conductor.metrics.report({ by: by[at % by.length]! })).groups.length
  await report(0)
  const asked = await times('metrics, a report of 30 days', report, task.times)
  await conductor.stop()
  return asked
}

async function times(
  name: string,
  question: (at: number) => Promise<number>,
  count: number,
): Promise<Asked['questions'][number]> {
  const ms: number[] = []
  const rows: number[] = []
  for (let at = 0; at < count; at++) {
    const began = performance.now()
    rows.push(await question(at))
    ms.push(performance.now() - began)
  }
  return { name, ms, rows: rows.sort((a, b) => a - b)[rows.length >> 1]! }
}

/** Beginnings of pages, the first and up to `most` behind it: any of them may be asked for. */
async function places(
  page: (after: { after?: string }) => Promise<{ next?: string }>,
  most: number,
): Promise<(at: number) => { after?: string }> {
  const found: { after?: string }[] = [{}]
  for (let at = 0; at < most; at++) {
    const { next } = await page(found.at(-1)!)
    if (next === undefined) break
    found.push({ after: next })
  }
  return (at) => found[(at * 31) % found.length]!
}

async function count(conductor: Conductor): Promise<number> {
  let lines = 0
  for await (const _line of conductor.audit.export({ payloads: false })) lines++
  return lines - 2
}
