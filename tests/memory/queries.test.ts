/** Any text is a question: nothing throws, nothing is syntax, nothing crosses a scope or a workspace. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Conductor, WorkspaceMemory } from '@keelson/core'
import { me, open, store } from '../support/open.ts'

const CANARY = 'zanzibarcanary'

const NAUGHTY = [
  ...[
    'tenant:t1 AND (',
    'secret: sk',
    'a-b',
    "it's",
    'NEAR(',
    'NEAR(a b, 3)',
    'text:*',
    '"',
    '""',
    "'; drop table records; --",
  ],
  ...[
    'hello) OR (tenant:t2',
    `${CANARY}*`,
    `*${CANARY}`,
    '^',
    'a AND',
    'OR',
    'NOT',
    '(((((',
    '{a b}:c',
    'a + b',
    '\\',
    '%',
    '_',
    '$1',
    '${x}',
  ],
  ...[
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\udc00x',
    '\u202e',
    '\ufeff',
    'İ',
    'ﬀ',
    '👩‍👩‍👧‍👦',
    'e\u0301',
    '漢字かな',
    'ไทย',
    '؟',
    '\t\r\n',
    '',
    ' ',
    '?',
    '….',
    '__proto__',
    'constructor',
    'toString',
  ],
  ...[
    'a'.repeat(100_000),
    'word '.repeat(20_000),
    '"'.repeat(100_000),
    '('.repeat(50_000),
    '\u0301'.repeat(100_000),
    `${'x y '.repeat(25_000)}${CANARY}`,
  ],
]

async function companies(): Promise<{ keelson: Conductor; own: WorkspaceMemory }> {
  const keelson = await open(store(), { playbooks: [] })
  for (const memory of [
    keelson.memory.scope('customer:beta'),
    keelson.memory.scope('customer'),
    keelson.memory.scope('customer:acme2'),
    keelson.workspace('other').memory.scope('customer:acme'),
  ]) {
    await memory.remember(
      [
        { text: `${CANARY} secret: sk tenant t2 hello word x y a b`, subject: 'acme' },
        { kind: 'rule', text: `Always say ${CANARY}` },
        { subject: 'acme', predicate: 'pays', value: CANARY, functional: true },
      ],
      { by: me },
    )
    await memory.append({ text: `hello ${CANARY}`, speaker: 'Ada', thread: 'mail', about: 'acme' }, { by: me })
  }
  const own = keelson.memory.scope('customer:acme')
  await own.remember({ text: 'hello word tenant: it is a and b' }, { by: me })
  await own.append({ text: 'hello, is it you?', speaker: 'Ada', thread: 'mail' }, { by: me })
  return { keelson, own }
}

/** What was asked, as a log of it repeats. */
const ASKED = `"task":"${CANARY}"`

interface Foreign {
  readonly memory: string
  readonly set: string
  readonly proposal: string
  readonly file: string
}

async function foreignOf(keelson: Conductor, beta: WorkspaceMemory): Promise<Foreign> {
  const [memory] = await beta.facts()
  await beta.context({ task: CANARY, about: ['acme'] })
  const { changeSet } = await beta.changes.propose([{ op: 'add', memory: { text: `${CANARY} is new` } }], {
    by: me,
    reason: `${CANARY} because`,
  })
  const secret = { text: `${CANARY} of ours, and secret`, sensitivity: 3 }
  await keelson.memory.scope('customer:acme').remember(secret, { by: me })
  await keelson.memory.scope('customer:acme').context({ task: `${CANARY} sensitive` })
  await keelson.quiet()
  return { memory: memory!.id, set: memory!.changeSet, proposal: changeSet, file: 'a'.repeat(64) }
}

async function everything(keelson: Conductor, beta: WorkspaceMemory): Promise<string> {
  const sets = await keelson.memory.changes.list({ limit: 1000 })
  const theirs = sets.filter(({ reason }) => reason.includes(CANARY)).map(({ id, status }) => [id, status])
  return JSON.stringify([await beta.facts({ history: true }), await beta.history(), theirs])
}

function methodsOf(memory: WorkspaceMemory): string[] {
  return Object.entries(memory).flatMap(([name, value]) =>
    typeof value === 'function' ? [name] : Object.keys(value as object).map((inner) => `${name}.${inner}`),
  )
}

const refused = async (code: string, tried: () => unknown): Promise<undefined> => {
  const thrown = await Promise.resolve()
    .then(tried)
    .then(
      () => undefined,
      (error: unknown) => error,
    )
  expect(thrown).toMatchObject({ code })
  expect(String(thrown)).not.toContain(CANARY)
  return undefined
}

/** Each method as one of another scope would use it, and what it answers; what must be refused is. */
function checksOf(all: WorkspaceMemory, foreign: Foreign): Record<string, () => Promise<readonly unknown[]>> {
  const own = all.scope('customer:acme', { maxSensitivity: 0 })
  const by = { by: me }
  const elsewhere = { scope: 'customer:beta' }
  const gone = (tried: () => unknown) => async () => [await refused('MEMORY_NOT_FOUND', tried)]
  const beyond = (tried: () => unknown) => async () => [await refused('MEMORY_OUT_OF_SCOPE', tried)]
  return {
    recall: async () => [
      await own.recall({ text: CANARY, asOf: {} }),
      await own.recall({ text: CANARY, about: ['acme'] }),
      await own.recall(`hello ${CANARY} Ada`),
    ],
    facts: async () => [
      await own.facts(),
      await own.facts({ about: 'acme' }),
      await own.facts({ history: true }),
      await own.facts({ asOf: {} }),
    ],
    history: async () => [
      await own.history(),
      await own.history({ thread: 'mail' }),
      await own.history({ about: 'acme' }),
    ],
    get: gone(() => own.get(foreign.memory)),
    context: async () => [await own.context({ task: CANARY, about: ['acme'], thread: 'mail' })],
    contexts: async () => [await own.contexts()],
    scope: async () => [
      await refused('MEMORY_OUT_OF_SCOPE', () => own.scope('customer:beta')),
      await refused('MEMORY_OUT_OF_SCOPE', () => own.scope('customer')),
      await refused('MEMORY_OUT_OF_SCOPE', () => own.scope('customer:acme/x', { read: ['customer:beta'] })),
      await own.scope('customer:acme/x').recall(CANARY),
    ],
    remember: beyond(() => own.remember({ ...elsewhere, text: 'x' }, by)),
    append: beyond(() => own.append({ ...elsewhere, text: 'x' }, by)),
    import: beyond(() => own.import([{ ...elsewhere, text: 'x' }], by)),
    correct: gone(() => own.correct(foreign.memory, { text: 'x' }, by)),
    pin: gone(() => own.pin(foreign.memory, by)),
    unpin: gone(() => own.unpin(foreign.memory, by)),
    expire: gone(() => own.expire(foreign.memory, { ...by, at: '2030-01-01' })),
    forget: gone(() => own.forget(foreign.memory, by)),
    restore: gone(() => own.restore(foreign.memory, by)),
    erase: async () => [
      await own.erase({ about: 'acme' }, { ...by, reason: 'x' }),
      await own.erase({ ids: [foreign.memory] }, { ...by, reason: 'x' }),
      await own.erase({ thread: 'none' }, { ...by, reason: 'x' }),
      await refused('MEMORY_OUT_OF_SCOPE', () => own.erase({ files: [foreign.file] }, { ...by, reason: 'x' })),
    ],
    revert: async () => [
      await refused('MEMORY_NOT_FOUND', () => own.revert({ changeSet: foreign.set }, by)),
      await own.scope('customer:acme/x').revert({ actor: 'me', since: '2000-01-01' }, by),
    ],
    'changes.list': async () => [
      await own.changes.list({ limit: 1000 }),
      await own.changes.list({ status: 'proposed' }),
    ],
    'changes.get': gone(() => own.changes.get(foreign.proposal)),
    'changes.diff': gone(() => own.changes.diff(foreign.set)),
    'changes.propose': async () => [
      await refused('MEMORY_NOT_FOUND', () =>
        own.changes.propose([{ op: 'forget', id: foreign.memory }], { ...by, reason: 'x' }),
      ),
      await refused('MEMORY_OUT_OF_SCOPE', () =>
        own.changes.propose([{ op: 'add', memory: { ...elsewhere, text: 'x' } }], { ...by, reason: 'x' }),
      ),
    ],
    'changes.apply': gone(() => own.changes.apply(foreign.proposal, by)),
    'changes.reject': gone(() => own.changes.reject(foreign.proposal, by)),
    'retention.set': beyond(() => own.retention.set({ name: 'all', keep: '1d' }, by)),
    'retention.remove': beyond(() => own.retention.remove('all', by)),
    'retention.list': async () => [await own.retention.list()],
    'retention.forecast': async () => [await own.retention.forecast('2100-01-01')],
    'retention.run': async () => [await own.retention.run(by)],
    consolidate: async () => [
      await refused('MEMORY_NOT_FOUND', () =>
        own.consolidate({ name: 'wide', propose: async () => [{ op: 'forget', id: foreign.memory }] }, by),
      ),
    ],
    calibrate: async () => [await refused('MODEL_MISSING', () => own.calibrate([], by))],
    learned: async () => [await own.learned()],
  }
}

describe('a question', () => {
  it('#26 of any text throws nothing and finds nothing of another scope', async () => {
    const { own } = await companies()
    for (const text of NAUGHTY) expect(JSON.stringify(await own.recall({ text, limit: 200 }))).not.toContain(CANARY)
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', maxLength: 200 }),
        async (text) => !JSON.stringify(await own.recall(text)).includes(CANARY),
      ),
      { numRuns: 300 },
    )
  })

  it('#26 is answered by no method with what another scope or workspace holds', async () => {
    const { own, keelson } = await companies()
    const beta = keelson.memory.scope('customer:beta')
    const checks = checksOf(own, await foreignOf(keelson, beta))
    // A method that is new here needs a check of its own.
    expect(Object.keys(checks).sort()).toEqual(methodsOf(own).sort())
    const before = await everything(keelson, beta)
    for (const [name, check] of Object.entries(checks)) {
      const answers = (await check()).map((answer) => JSON.stringify(answer ?? null).replaceAll(ASKED, ''))
      for (const answer of answers) expect(answer, name).not.toContain(CANARY)
      expect(await everything(keelson, beta), name).toBe(before)
    }
  })

  it('scores the same whatever other scopes hold, to the last bit', async () => {
    const keelson = await open(store(), { playbooks: [] })
    const own = keelson.memory.scope('customer:acme')
    await own.append(
      Array.from({ length: 30 }, (_, i) => ({
        text: `turn ${i} about ${i % 3 === 0 ? 'gold' : 'silver'} and tea`,
        speaker: i % 2 === 0 ? 'Ada' : 'Bob',
        thread: 'mail',
      })),
      { by: me },
    )
    const look = async (): Promise<string> =>
      JSON.stringify(await own.recall({ text: 'what did Ada say about gold tea?', limit: 50 }))
    const before = await look()
    for (const scope of ['customer:beta', 'customer:acme2', 'customer'])
      await keelson.memory.scope(scope).import(
        Array.from({ length: 700 }, (_, i) => ({ text: `gold gold tea Ada ${i}` })),
        { by: me },
      )
    await keelson.workspace('other').memory.scope('customer:acme').remember({ text: 'gold tea' }, { by: me })
    expect(await look()).toBe(before)
  })
})

it('reads a scope with all below it, the scopes that are named, and the rules of those above', async () => {
  const { memory } = await open(store(), { playbooks: [] })
  const say = (scope: string): Promise<unknown> =>
    memory.remember(
      [
        { scope, text: `note of ${scope}` },
        { scope, kind: 'rule', text: `rule of ${scope}` },
      ],
      { by: me },
    )
  for (const scope of ['acme', 'acme/site', 'acme/site/task', 'acme/other', 'policies']) await say(scope)
  const site = memory.scope('acme/site', { read: ['policies'] })
  const found = (await site.recall('note')).map((one) => one.memory.scope).sort()
  expect(found).toEqual(['acme/site', 'acme/site/task', 'policies'])
  const { text } = await site.context({ task: 'note' })
  expect([...text.matchAll(/rule of (\S+)/g)].map((match) => match[1]).sort()).toEqual([
    'acme',
    'acme/site',
    'acme/site/task',
    'policies',
  ])
})
