/** P10: no verb of a workspace answers with, or touches, what another one holds, whatever ids of that it is given. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  action,
  defineEntity,
  defineEvent,
  definePlaybook,
  policy,
  type Conductor,
  type EntityDesk,
  type Workspace,
} from '@keelson/core'
import { me, open, store } from './support/open.ts'

const CANARY = 'zanzibarcanary'
const by = { by: me }

const Customer = defineEntity({
  name: 'customer',
  version: 1,
  schema: z.object({ name: z.string(), tags: z.array(z.string()).optional() }),
  index: ['name'],
  key: (one) => one.name,
  taxonomy: { tags: 'tags' },
})
interface Data {
  name: string
  tags?: string[] | undefined
}
const rang = defineEvent({ name: 'rang', schema: z.object({ text: z.string() }) })
const post = action({
  ...{ name: 'post.letter', effect: 'reversible', input: z.object({ text: z.string() }) },
  ...{ output: z.object({ text: z.string() }), undo: z.object({ text: z.string() }) },
  intent: ({ text }) => ['letter', text],
  run: ({ text }) => ({ output: { text: `sent: ${text}` }, undo: { text } }),
  compensate: () => {},
})
const look = action({
  ...{ name: 'shop.look', effect: 'read', input: z.object({}), output: z.object({ text: z.string() }) },
  cache: { ttl: '1h', tags: () => ['shop'] },
  run: (_input, { config }) => ({ output: { text: String((config as { text?: string } | undefined)?.text ?? '') } }),
})
const work = definePlaybook({
  ...{ name: 'work', version: 1, input: z.object({ text: z.string(), ask: z.boolean() }), output: z.json() },
  async run(ctx, { text, ask }) {
    await ctx.act(look, {})
    const copy = await ctx.step('copy', () => ({ text }))
    const letter = await ctx.act(post, { text })
    if (ask) await ctx.ask(`May ${text} go on?`, { answer: z.boolean() })
    return { copy, letter }
  },
})

const gate = policy([
  policy.rule('held', { on: post }, ({ input }) => (input.text.endsWith('held') ? policy.hold('1h') : policy.allow())),
])

interface Foreign {
  readonly customer: string
  readonly item: { readonly id: string; readonly hash: string }
  readonly held: { readonly id: string; readonly hash: string }
  readonly file: string
  readonly grant: string
  readonly effect: string
  readonly memory: string
  readonly set: string
}

/** A company in which each thing that it can hold says it. */
async function filled(acme: Workspace): Promise<Foreign> {
  const text = `${CANARY} of acme`
  await acme.taxonomy.set({ tags: [CANARY] }, by)
  const customers = acme.entities(Customer, by)
  const names = { refs: { shop: 'cus_1' }, aliases: [`${CANARY} alias`] }
  const { id: customer } = await customers.create({ name: 'ada', tags: [CANARY] }, names)
  await customers.note(customer, { what: text })
  const { sha256: file } = await acme.artifacts.put(text, { type: 'text/plain', ...by })
  await acme.templates.put('welcome', `Dear {{name}}, ${text}`, by)
  const remembered = await acme.memory.remember({ text, subject: 'acme' }, by)
  await acme.memory.append({ text, thread: 'mail' }, by)
  await acme.memory.changes.propose([{ op: 'add', memory: { text: `${text}, new` } }], { ...by, reason: text })
  await acme.memory.context({ task: text })
  await acme.memory.retention.set({ name: CANARY, keep: '1d' }, by)
  await acme.start(work, { text, ask: true }, { id: 'run' })
  await acme.start(work, { text: `${text} held`, ask: false }, { id: 'held' })
  await acme.send(rang, { text }, { id: 'event' })
  await acme.schedules.set('daily', work, { cron: '0 3 * * *', input: { text, ask: false }, ...by })
  const { id: grant } = await acme.grants.create({
    action: post,
    where: { text: CANARY },
    cap: { count: 1 },
    until: '2100-01-01',
    ...by,
  })
  await acme.shadow.observe(post, { text }, { ...by, id: 'deed' })
  return {
    ...{ customer, file, grant, memory: remembered.id, set: remembered.changeSet! },
    ...{ item: { id: '', hash: '' }, held: { id: '', hash: '' }, effect: '' },
  }
}

/** What is known of it once its runs have come to rest. */
async function rested(acme: Workspace, before: Foreign): Promise<Foreign> {
  const { items } = await acme.inbox.list()
  const item = items.find(({ kind, run }) => kind === 'question' && run === 'run')!
  const [held] = (await acme.holds.list()).holds
  const [effect] = (await acme.revert.plan({ run: 'run' })).lines.flatMap((line) =>
    line.kind === 'effect' && line.can ? [line.id] : [],
  )
  return { ...before, item, held: held as never, effect: effect! }
}

async function told(answer: unknown): Promise<string> {
  let value: unknown
  try {
    value = await answer
    if (typeof value === 'object' && value !== null && Symbol.asyncIterator in value)
      value = await listed(value as AsyncIterable<unknown>)
  } catch (thrown) {
    const { message, hint, data } = thrown as { message: string; hint?: string; data?: unknown }
    value = ['threw', message, hint, data]
  }
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : (JSON.stringify(value) ?? '')
}

async function listed<T>(all: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const one of all) found.push(one)
  return found
}

type Checks = { readonly [path: string]: () => readonly unknown[] }

function pathsOf(one: object, prefix = ''): string[] {
  return Object.entries(one).flatMap(([name, value]: [string, unknown]) =>
    typeof value === 'function'
      ? [prefix + name]
      : typeof value === 'object' && value !== null
        ? pathsOf(value, `${prefix}${name}.`)
        : [],
  )
}

/** Each verb as somebody of another company would use it who knows all ids of this one. */
function verbsOn(own: Workspace, it: Foreign): Checks {
  const { item, held } = it
  const stop = new AbortController()
  stop.abort()
  return {
    start: () => [own.start(work, { text: 'x', ask: false }, { id: 'run' }).then((run) => run.result())],
    send: () => [own.send(rang, { text: 'x' }, { id: 'event' })],
    why: () => [own.why('held')],
    'runs.cancel': () => [own.runs.cancel('held', { ...by, reason: 'x' })],
    'runs.pause': () => [own.runs.pause('held', { ...by, reason: 'x' })],
    'runs.resume': () => [own.runs.resume('held', by)],
    'runs.retry': () => [own.runs.retry('held', by)],
    'runs.setOutcome': () => [own.runs.setOutcome('held', { ...by, step: 'copy', outcome: 1 })],
    'runs.restart': () => [own.runs.restart('held', { ...by, from: 'start' })],
    'runs.move': () => [own.runs.move('held', { ...by, to: 1 })],
    'runs.get': () => [own.runs.get('held').status(), own.runs.get('held').result({ timeout: '1s' })],
    'runs.list': () => [own.runs.list({ builtIn: true })],
    'runs.upgrade': () => [own.runs.upgrade({ playbook: 'work', to: 1, ...by })],
    'inbox.list': () => [own.inbox.list()],
    'inbox.get': () => [own.inbox.get(item.id)],
    'inbox.opened': () => [own.inbox.opened(item.id, by)],
    'inbox.decide': () => [own.inbox.decide(item.id, { hash: item.hash, ...by, answer: true })],
    'inbox.groups': () => [own.inbox.groups()],
    'inbox.batch': () => [own.inbox.batch([{ id: item.id, hash: item.hash }], { ...by, approve: true })],
    'inbox.snooze': () => [own.inbox.snooze(item.id, { ...by, until: '1h' })],
    'inbox.delegate': () => [own.inbox.delegate(item.id, { ...by, to: me })],
    'inbox.fatigue': () => [own.inbox.fatigue({ since: '7d' })],
    'inbox.watch': () => [own.inbox.watch({ signal: stop.signal })],
    'holds.list': () => [own.holds.list()],
    'holds.cancel': () => [own.holds.cancel(held.id, { ...by, reason: 'x' })],
    'holds.sendNow': () => [own.holds.sendNow(held.id, { ...by, hash: held.hash })],
    'holds.reschedule': () => [own.holds.reschedule(held.id, { ...by, to: '2h' })],
    'audit.query': () => [own.audit.query(), own.audit.query({ run: 'held' }), own.audit.query({ actor: me })],
    'audit.story': () => [own.audit.story('held')],
    'audit.why': () => [own.audit.why(Customer, it.customer, 'tags')],
    'audit.export': () => [own.audit.export()],
    'audit.verify': () => [own.audit.verify()],
    'audit.anchor': () => [own.audit.anchor()],
    'audit.rebuild': () => [own.audit.rebuild()],
    'revert.plan': () => [own.revert.plan({ run: 'held' }), own.revert.plan({ effect: it.effect })],
    'revert.apply': () => [
      own.revert.apply(
        { target: { effect: it.effect }, lines: [], dependents: [], running: [], pruned: [], hash: 'x' },
        by,
      ),
    ],
    'schedules.set': () => [
      own.schedules.set('other', work, { cron: '0 3 * * *', input: { text: 'x', ask: false }, ...by }),
    ],
    'schedules.remove': () => [own.schedules.remove('daily', by)],
    'schedules.next': () => [own.schedules.next('daily')],
    'grants.create': () => [
      own.grants.create({ action: post, where: {}, cap: { count: 1 }, until: '2100-01-01', ...by }),
    ],
    'grants.attenuate': () => [own.grants.attenuate(it.grant, { until: '2090-01-01', ...by })],
    'grants.list': () => [own.grants.list()],
    'grants.uses': () => [own.grants.uses(it.grant)],
    'grants.suggest': () => [own.grants.suggest()],
    'grants.revoke': () => [own.grants.revoke(it.grant, by)],
    'budgets.list': () => [own.budgets.list()],
    'budgets.raise': () => [own.budgets.raise('x', { calls: 1, ...by })],
    'policy.explain': () => [own.policy.explain({ candidate: gate })],
    'shadow.on': () => [own.shadow.on(work, by)],
    'shadow.off': () => [own.shadow.off(work, by)],
    'shadow.list': () => [own.shadow.list()],
    'shadow.observe': () => [own.shadow.observe(post, { text: 'x' }, { ...by, id: 'deed' })],
    'shadow.report': () => [own.shadow.report(work)],
    'shadow.diff': () => [own.shadow.diff('held')],
    'cache.invalidate': () => [own.cache.invalidate({ tags: ['shop'] }, by)],
    'artifacts.put': () => [own.artifacts.put('x', by)],
    'artifacts.get': () => [own.artifacts.get(it.file)],
    'artifacts.text': () => [own.artifacts.text(it.file)],
    'artifacts.diff': () => [own.artifacts.diff(it.file, it.file)],
    'templates.get': () => [own.templates.get('welcome')],
    'templates.fill': () => [own.templates.fill('welcome', { name: 'x' })],
    'templates.put': () => [own.templates.put('welcome', 'mine', by)],
    'taxonomy.get': () => [own.taxonomy.get()],
    'taxonomy.set': () => [own.taxonomy.set({ tags: ['mine'] }, by)],
    'metrics.report': () => [own.metrics.report()],
    'metrics.spent': () => [own.metrics.spent(work, '1h', by)],
    'metrics.alerts.list': () => [own.metrics.alerts.list()],
    'metrics.alerts.acknowledge': () => [own.metrics.alerts.acknowledge('x', by)],
    'trust.list': () => [own.trust.list()],
    'trust.digest': () => [own.trust.digest({ from: '2000-01-01', to: '2100-01-01' })],
    'trust.set': () => [own.trust.set(post, 'approve', by)],
    'trust.ceiling': () => [own.trust.ceiling(post, 'automatic', by)],
    'maintenance.prune': () => [own.maintenance.prune({ olderThan: '1s', ...by })],
    'maintenance.run': () => [own.maintenance.run({ retention: true, ...by }).then((run) => run.result())],
    'maintenance.schedule': () => [own.maintenance.schedule({ cron: '0 3 * * *', retention: true, ...by })],
    'maintenance.unschedule': () => [own.maintenance.unschedule(by)],
    'maintenance.status': () => [own.maintenance.status()],
    configure: () => [own.configure({}, by)],
    settings: () => [own.settings()],
    rehearse: () => [own.rehearse()],
    export: () => [own.export()],
    import: () => [own.import([], { ...by, dryRun: true })],
    merge: () => [own.merge([], { ...by, dryRun: true })],
    freeze: () => [own.freeze({ ...by, reason: 'x' })],
    thaw: () => [own.thaw(by)],
    adopt: () => [own.adopt(by)],
    entities: () => [],
    suspend: () => [own.suspend({ ...by, reason: 'x' })],
    resume: () => [own.resume(by)],
    delete: () => [own.suspend({ ...by, reason: 'x' }).then(() => own.delete({ ...by, confirm: own.id }))],
  }
}

function entitiesOn(own: EntityDesk<Data>, { customer: id }: Foreign): Checks {
  return {
    get: () => [own.get(id)],
    find: () => [own.find({ name: 'ada' })],
    list: () => [own.list(), own.list({ where: { name: 'ada' } }), own.list({ archived: true })],
    byKey: () => [own.byKey('ada')],
    byRef: () => [own.byRef('shop', 'cus_1')],
    byAlias: () => [own.byAlias(`${CANARY} alias`)],
    asOf: () => [own.asOf(id, {})],
    history: () => [own.history(id)],
    why: () => [own.why(id, 'tags')],
    timeline: () => [own.timeline(id)],
    update: () => [own.update(id, { name: 'eve' })],
    archive: () => [own.archive(id)],
    restore: () => [own.restore(id)],
    identify: () => [own.identify(id, { aliases: ['x'] })],
    note: () => [own.note(id, { what: 'x' })],
    erase: () => [own.erase(id)],
    merge: () => [own.merge(id, id)],
    create: () => [own.create({ name: 'ada' }, { refs: { shop: 'cus_1' } })],
    upsert: () => [own.upsert({ name: 'ada', tags: [] })],
    migrate: () => [own.migrate()],
    'snapshots.drop': () => [own.snapshots.drop()],
    'snapshots.rebuild': () => [own.snapshots.rebuild(id)],
  }
}

async function exported(workspace: Workspace): Promise<string> {
  return (await listed(workspace.export())).join('')
}

async function company(): Promise<{ keelson: Conductor; acme: Workspace; own: Workspace; foreign: Foreign }> {
  const keelson = await open(store(), {
    ...{ playbooks: [work], entities: [Customer], events: [rang], actions: [post, look], policy: gate },
  })
  const [acme, own] = [keelson.workspace('acme'), keelson.workspace('other')]
  const before = await filled(acme)
  await keelson.quiet()
  const foreign = await rested(acme, before)
  expect((await exported(acme)).split(CANARY).length).toBeGreaterThan(30)
  const { item, held, effect, grant, memory, set, file } = foreign
  for (const id of [item.id, held.id, effect, grant, memory, set, file]) expect(id).toMatch(/.{8}/)
  return { keelson, acme, own, foreign }
}

describe('another workspace', () => {
  it('is answered by no verb with what this one holds, and changes nothing of it', async () => {
    const { keelson, acme, own, foreign } = await company()
    const checks = verbsOn(own, foreign)
    const paths = pathsOf(own).filter((path) => !path.startsWith('memory.'))
    // A verb that is new needs a check of its own; those of memory have theirs beside it.
    expect(Object.keys(checks).sort()).toEqual(paths.sort())
    const before = await exported(acme)
    for (const [name, check] of Object.entries(checks)) {
      for (const answer of check()) expect(await told(answer), name).not.toContain(CANARY)
      await keelson.quiet()
      expect((await exported(acme)) === before, `${name} changed something`).toBe(true)
    }
  })

  it('finds none of its records by their ids, keys, identities and names', async () => {
    const { acme, own, foreign } = await company()
    const desk = own.entities(Customer, by)
    const checks = entitiesOn(desk, foreign)
    expect(Object.keys(checks).sort()).toEqual(pathsOf(desk).sort())
    const before = await exported(acme)
    for (const [name, check] of Object.entries(checks)) {
      for (const answer of check())
        expect((await told(answer)).replaceAll(`${CANARY} alias`, ''), name).not.toContain(CANARY)
      expect((await exported(acme)) === before, `${name} changed something`).toBe(true)
    }
    // The same business key and identity are others here.
    expect((await desk.byKey('ada'))?.id).not.toBe(foreign.customer)
  })

  it('is answered by no verb of memory', async () => {
    const { acme, own, foreign } = await company()
    const { memory } = own
    const reads = [
      () => memory.recall(CANARY),
      () => memory.facts({ history: true }),
      () => memory.history({ thread: 'mail' }),
      () => memory.get(foreign.memory),
      () => memory.context({ task: 'what is there', about: ['acme', { type: 'customer', id: foreign.customer }] }),
      () => memory.contexts(),
      () => memory.learned(),
      () => memory.changes.list(),
      () => memory.changes.get(foreign.set),
      () => memory.changes.diff(foreign.set),
      () => memory.retention.list(),
      () => memory.retention.forecast('2100-01-01'),
      () => memory.forget(foreign.memory, by),
      () => memory.pin(foreign.memory, by),
      () => memory.revert({ changeSet: foreign.set }, by),
      () => memory.erase({ ids: [foreign.memory] }, { ...by, reason: 'x', everywhere: true }),
      () => memory.erase({ files: [foreign.file] }, { ...by, reason: 'x' }),
    ]
    const before = await exported(acme)
    for (const read of reads) expect(await told(read()), String(read)).not.toContain(CANARY)
    expect(await exported(acme)).toBe(before)
  })
})
