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
    const foreign = (await keelson.memory.scope('customer:beta').facts())[0]!
    const answers = [
      await own.recall({ text: CANARY, asOf: {} }),
      await own.recall({ text: CANARY, about: ['acme'] }),
      await own.recall(`hello ${CANARY} Ada`),
      await own.facts(),
      await own.facts({ about: 'acme' }),
      await own.facts({ history: true }),
      await own.facts({ asOf: {} }),
      await own.history(),
      await own.history({ thread: 'mail' }),
      await own.history({ about: 'acme' }),
      await own.context({ task: CANARY, about: ['acme'], thread: 'mail' }),
    ]
    for (const answer of answers)
      expect(JSON.stringify(answer).replaceAll(`"task":"${CANARY}"`, '')).not.toContain(CANARY)
    await expect(own.get(foreign.id)).rejects.toMatchObject({ code: 'MEMORY_NOT_FOUND' })
    await expect(own.forget(foreign.id, { by: me })).rejects.toMatchObject({ code: 'MEMORY_NOT_FOUND' })
    expect((await own.erase({ about: 'acme' }, { by: me, reason: 'x' })).erased).toEqual([])
    expect(await keelson.memory.scope('customer:beta').facts()).toHaveLength(3)
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
