/** The reference of memory has every verb that the source has, each with what it takes, answers, and throws. */
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { find } from './sources.ts'

const PAGE = 'docs/reference/memory.md'
const ERRORS = 'packages/core/src/base/errors.ts'
const HANDLE = 'packages/core/src/memory/handle.ts'
const STORE = 'packages/core/src/memory/entity-store.ts'
const VERBS = [
  ['MemoryReads', HANDLE],
  ['RunMemory', HANDLE],
  ['Working', HANDLE],
  ['WorkspaceMemory', HANDLE],
  ['MemoryChanges', HANDLE],
  ['Retention', HANDLE],
  ['EntityStore', STORE],
  ['RunEntityStore', STORE],
  ['EntityDesk', 'packages/core/src/conductor/editor.ts'],
] as const

const textOf = (path: string): string => find(path)[0]?.text ?? ''

/** The members of an interface, each once, and those of what stands in it as a literal: `snapshots.drop`. */
const verbsOf = (source: string, name: string): string[] => {
  const file = ts.createSourceFile('a.ts', source, ts.ScriptTarget.Latest, true)
  const found = file.statements.filter(ts.isInterfaceDeclaration).find((one) => one.name.text === name)
  if (found === undefined) throw new Error(`there is no interface ${name}`)
  return namesIn(found.members)
}

const namesIn = (members: Iterable<ts.TypeElement>): string[] => {
  const names = [...members].flatMap((one) => {
    const name = one.name?.getText() ?? ''
    const within = ts.isPropertySignature(one) && one.type !== undefined && ts.isTypeLiteralNode(one.type)
    return within ? namesIn(one.type.members).map((inner) => `${name}.${inner}`) : [name]
  })
  return [...new Set(names)]
}

/** The cells of each row below `<!-- verbs: NAME -->`; the first is the call, `verb(…)`. */
const rowsOf = (page: string, name: string): string[][] => {
  const [, table = ''] = new RegExp(`<!-- verbs: ${name} -->\\n\\n((?:\\|.*\\n?)+)`).exec(page) ?? []
  const rows = table.trim().split('\n').slice(2)
  return rows.map((row) =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

const calledIn = ([call = '']: string[]): string => /^`([\w.]+)/.exec(call)?.[1] ?? call

describe('the reference of memory', () => {
  const page = textOf(PAGE)

  it.each(VERBS)('has every verb of %s, in the order of the source', (name, path) => {
    expect(rowsOf(page, name).map(calledIn)).toEqual(verbsOf(textOf(path), name))
  })

  it.each(VERBS)('says of each verb of %s what it answers and throws, by codes that there are', (name) => {
    const codes = new Set(
      textOf(ERRORS)
        .match(/'[A-Z_]+'/g)
        ?.map((code) => code.slice(1, -1)),
    )
    const rows = rowsOf(page, name)
    expect(rows).not.toEqual([])
    expect(rows.filter((cells) => cells.length !== 3 || cells.includes(''))).toEqual([])
    const named = rows.flatMap(([, , thrown = '']) => thrown.match(/[A-Z]+_[A-Z_]+/g) ?? [])
    expect(named.filter((code) => !codes.has(code))).toEqual([])
  })

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
})
