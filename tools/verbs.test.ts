/** The references of verbs have every verb that the source has, each with what it takes, answers, and throws. */
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { find } from './sources.ts'

const CORE = 'packages/core/src'
const ERRORS = `${CORE}/base/errors.ts`
const HANDLE = `${CORE}/memory/handle.ts`
const STORE = `${CORE}/memory/entity-store.ts`
const LIBRARY = `${CORE}/conductor/library.ts`

/** An interface, where it is, and what its page puts before each of its verbs. */
type Verbs = readonly [name: string, path: string, before: string]

interface Page {
  readonly path: string
  /** Cells of a row; the first is the call, the last what it is rejected with. */
  readonly cells: number
  readonly verbs: readonly Verbs[]
  /** Interfaces whose members have a table, together with all that these have under a name of their own. */
  readonly from: readonly string[]
}

const MEMORY: Page = {
  path: 'docs/reference/memory.md',
  cells: 3,
  verbs: [
    ['MemoryReads', HANDLE, ''],
    ['RunMemory', HANDLE, ''],
    ['Working', HANDLE, ''],
    ['WorkspaceMemory', HANDLE, ''],
    ['MemoryChanges', HANDLE, ''],
    ['Retention', HANDLE, ''],
    ['EntityStore', STORE, ''],
    ['RunEntityStore', STORE, ''],
    ['EntityDesk', `${CORE}/conductor/editor.ts`, ''],
  ],
  from: ['RunMemory', 'WorkspaceMemory', 'RunEntityStore', 'EntityDesk'],
}

const CONTEXT: Page = {
  path: 'docs/reference/context.md',
  cells: 4,
  verbs: [
    ['Context', `${CORE}/playbook/context.ts`, 'ctx.'],
    ['Artifacts', `${CORE}/memory/artifact.ts`, 'ctx.artifacts.'],
    ['Templates', `${CORE}/memory/template.ts`, 'ctx.templates.'],
  ],
  from: ['Context'],
}

const CONDUCTOR: Page = {
  path: 'docs/reference/conductor.md',
  cells: 4,
  verbs: [
    ['Conductor', `${CORE}/keelson.ts`, ''],
    ['Workspaces', `${CORE}/keelson.ts`, 'workspaces.'],
    ['Workspace', `${CORE}/workspace.ts`, ''],
    ['FreezeVerbs', `${CORE}/conductor/freeze.ts`, ''],
    ['LifeVerbs', `${CORE}/conductor/life.ts`, ''],
    ['Run', `${CORE}/conductor/runs.ts`, ''],
    ['Runs', `${CORE}/workspace.ts`, 'runs.'],
    ['RunVerbs', `${CORE}/conductor/verbs.ts`, 'runs.'],
    ['Inbox', `${CORE}/inbox/inbox.ts`, 'inbox.'],
    ['Holds', `${CORE}/inbox/holds.ts`, 'holds.'],
    ['Audit', `${CORE}/audit/audit.ts`, 'audit.'],
    ['Revert', `${CORE}/conductor/revert/revert.ts`, 'revert.'],
    ['Schedules', `${CORE}/conductor/schedule.ts`, 'schedules.'],
    ['Grants', `${CORE}/conductor/grants.ts`, 'grants.'],
    ['Budgets', `${CORE}/conductor/budgets.ts`, 'budgets.'],
    ['PolicyVerbs', `${CORE}/conductor/explain.ts`, 'policy.'],
    ['Shadow', `${CORE}/conductor/shadow/shadow.ts`, 'shadow.'],
    ['Trust', `${CORE}/conductor/trust/trust.ts`, 'trust.'],
    ['Maintenance', `${CORE}/conductor/upkeep/maintenance.ts`, 'maintenance.'],
    ['Metrics', `${CORE}/metrics/metrics.ts`, 'metrics.'],
    ['Alerts', `${CORE}/metrics/alerts.ts`, 'metrics.alerts.'],
    ['CacheDesk', `${CORE}/conductor/cache-desk.ts`, 'cache.'],
    ['ArtifactDesk', LIBRARY, 'artifacts.'],
    ['TemplateDesk', LIBRARY, 'templates.'],
    ['TaxonomyDesk', LIBRARY, 'taxonomy.'],
  ],
  from: ['Conductor', 'Workspace'],
}

const PAGES = [MEMORY, CONTEXT, CONDUCTOR]
const ALL = PAGES.flatMap(({ verbs }) => verbs)
/** What stands under a name and is a value, not verbs. */
const VALUES = new Set(['Settings', 'Logger', 'Omit'])

const textOf = (path: string): string => find(path)[0]?.text ?? ''

const interfaceIn = (source: string, name: string): ts.InterfaceDeclaration => {
  const file = ts.createSourceFile('a.ts', source, ts.ScriptTarget.Latest, true)
  const found = file.statements.filter(ts.isInterfaceDeclaration).find((one) => one.name.text === name)
  if (found === undefined) throw new Error(`there is no interface ${name}`)
  return found
}

/** The members of an interface, each once, and those of what stands in it as a literal: `snapshots.drop`. */
const verbsOf = (source: string, name: string): string[] => namesIn(interfaceIn(source, name).members)

const namesIn = (members: Iterable<ts.TypeElement>): string[] => {
  const names = [...members].flatMap((one) => {
    const name = one.name?.getText() ?? ''
    const within = ts.isPropertySignature(one) && one.type !== undefined && ts.isTypeLiteralNode(one.type)
    return within ? namesIn(one.type.members).map((inner) => `${name}.${inner}`) : [name]
  })
  return [...new Set(names)]
}

/** The interfaces that an interface is made of: what it extends, and the types of what stands under a name. */
const partsOf = (source: string, name: string): string[] => {
  const { heritageClauses = [], members } = interfaceIn(source, name)
  const extended = heritageClauses.flatMap(({ types }) => types.map(({ expression }) => expression.getText()))
  const held = members.flatMap((one) =>
    ts.isPropertySignature(one) && one.type !== undefined && ts.isTypeReferenceNode(one.type)
      ? [one.type.typeName.getText()]
      : [],
  )
  return [...extended, ...held]
}

/** The cells of each row below each `<!-- verbs: NAME -->`; the first is the call, `verb(…)`. */
const rowsOf = (page: string, name: string): string[][] => {
  const tables = page.matchAll(new RegExp(`<!-- verbs: ${name} -->\\n\\n((?:\\|.*\\n?)+)`, 'g'))
  const rows = [...tables].flatMap(([, table = '']) => table.trim().split('\n').slice(2))
  return rows.map((row) =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

const calledIn = ([call = '']: string[]): string => /^`([\w.]+)/.exec(call)?.[1] ?? call

describe.each(PAGES)('the reference $path', ({ path, cells, verbs, from }) => {
  const page = textOf(path)

  it.each(verbs)('has every verb of %s, in the order of the source', (name, source, before) => {
    expect(rowsOf(page, name).map(calledIn)).toEqual(verbsOf(textOf(source), name).map((verb) => `${before}${verb}`))
  })

  it.each(verbs)('says of each verb of %s what it answers and throws, by codes that there are', (name) => {
    const codes = new Set(
      textOf(ERRORS)
        .match(/'[A-Z_]+'/g)
        ?.map((code) => code.slice(1, -1)),
    )
    const rows = rowsOf(page, name)
    expect(rows).not.toEqual([])
    expect(rows.filter((row) => row.length !== cells || row.includes(''))).toEqual([])
    const named = rows.flatMap((row) => row.at(-1)?.match(/[A-Z]+_[A-Z_]+/g) ?? [])
    expect(named.filter((code) => !codes.has(code))).toEqual([])
  })

  it('has a table of all that stands under a name of its own', () => {
    const sources = new Map(ALL.map(([name, source]) => [name, source]))
    const parts = from.flatMap((name) => partsOf(textOf(sources.get(name) ?? ''), name))
    expect(parts).not.toEqual([])
    expect(parts.filter((part) => !sources.has(part) && !VALUES.has(part))).toEqual([])
  })
})

describe('the check of these references', () => {
  it('reads members once, and those within', () => {
    const source = 'interface A {\n  a(b: string): void\n  a(b: number): void\n  readonly c: { d(): void }\n  e: B\n}'
    expect(verbsOf(source, 'A')).toEqual(['a', 'c.d', 'e'])
    const table =
      '<!-- verbs: A -->\n\n| call | answers | throws |\n|---|---|---|\n| `a(b \\| c)` | it | – |\n| `c.d()` | | X |\n'
    expect(rowsOf(table, 'A')).toEqual([
      ['`a(b \\| c)`', 'it', '–'],
      ['`c.d()`', '', 'X'],
    ])
    expect(rowsOf(table, 'A').map(calledIn)).toEqual(['a', 'c.d'])
  })

  it('reads all tables of a name, one after the other', () => {
    const table = (verb: string): string => `<!-- verbs: A -->\n\n| call |\n|---|\n| \`${verb}()\` |\n`
    expect(rowsOf(`${table('a')}\ntext\n\n${table('b')}`, 'A').map(calledIn)).toEqual(['a', 'b'])
  })

  it('knows what an interface is made of', () => {
    const source = 'interface A extends B, Omit<C, "d"> {\n  readonly e: E\n  f(): F\n  readonly g: string\n}'
    expect(partsOf(source, 'A')).toEqual(['B', 'Omit', 'E'])
  })
})
