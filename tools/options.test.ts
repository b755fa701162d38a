/** The references of options say what the source says: every option, its default, and what it is for. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { exists, find, root } from './sources.ts'

const PAGE = 'docs/reference/options.md'
const DEFINITIONS = 'docs/reference/definitions.md'
const DEFINED = [
  ['definePlaybook', 'packages/core/src/playbook/playbook.ts'],
  ['Base', 'packages/core/src/connector/action.ts'],
  ['EntityDefinition', 'packages/core/src/memory/entity.ts'],
  ['defineEvent', 'packages/core/src/playbook/event.ts'],
  ['defineAgent', 'packages/core/src/agent/agent.ts'],
  ['definePersona', 'packages/core/src/policy/persona.ts'],
  ['defineBudget', 'packages/core/src/policy/budget.ts'],
  ['defineTrust', 'packages/core/src/policy/trust-rule.ts'],
  ['StepOptions', 'packages/core/src/playbook/context.ts'],
  ['Retry', 'packages/core/src/playbook/context.ts'],
  ['ActOptions', 'packages/core/src/playbook/context.ts'],
  ['ProposeOptions', 'packages/core/src/playbook/context.ts'],
  ['DelegateOptions', 'packages/core/src/playbook/context.ts'],
] as const
const OPTIONS = 'packages/core/src/options.ts'
const LIMITS = 'packages/core/src/conductor/environment.ts'

interface Option {
  readonly name: string
  readonly optional: boolean
  readonly text: string
}

type Member = ts.PropertySignature | ts.MethodSignature

const isMember = (one: ts.TypeElement): one is Member => ts.isPropertySignature(one) || ts.isMethodSignature(one)

/** The members of an interface, or of what a function takes, with their comments in one line each. */
const membersOf = (source: string, name: string): Option[] => {
  const file = ts.createSourceFile('a.ts', source, ts.ScriptTarget.Latest, true)
  const named = (one: ts.Statement): boolean =>
    (ts.isInterfaceDeclaration(one) || ts.isFunctionDeclaration(one)) && one.name?.text === name
  const found = file.statements.find(named)
  const taken =
    found !== undefined && ts.isFunctionDeclaration(found)
      ? found.parameters.map(({ type }) => type).find((type) => type !== undefined && ts.isTypeLiteralNode(type))
      : found
  if (taken === undefined || !(ts.isInterfaceDeclaration(taken) || ts.isTypeLiteralNode(taken)))
    throw new Error(`there is no interface ${name}`)
  return taken.members.filter(isMember).map((member) => ({
    name: member.name.getText(),
    optional: member.questionToken !== undefined,
    text: ts
      .getJSDocCommentsAndTags(member)
      .map((one) => ts.getTextOfJSDocComment(one.comment) ?? '')
      .join(' ')
      .replaceAll(/\s+/g, ' '),
  }))
}

/** One row: `Default X.` of the comment has a column of its own; an option that must be there says so. */
const row = ({ name, optional, text }: Option): string => {
  const [said, value] = / ?Default:? (.+?)\.(?= |$)/.exec(text) ?? []
  const about = said === undefined ? text : text.replace(said, '').trim()
  const cells = [`\`${name}\``, optional ? (value ?? 'none') : 'needed', about]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

const table = (options: Option[]): string =>
  ['| option | default | |', '|---|---|---|', ...options.map((option) => row(option))].join('\n')

const textOf = (path: string): string => find(path)[0]?.text ?? ''

/** What stands between `<!-- options: NAME -->` and the next blank line but one. */
const written = (page: string, name: string): string =>
  (new RegExp(`<!-- options: ${name} -->\\n\\n((?:\\|.*\\n?)+)`).exec(page)?.[1] ?? '').trim()

describe('the reference of options', () => {
  const options = membersOf(textOf(OPTIONS), 'ConductorOptions')
  const limits = membersOf(textOf(LIMITS), 'Limits').map((one) => ({ ...one, optional: true }))

  it('has every option with its default, in the words of the source', () => {
    expect(exists(PAGE)).toBe(true)
    expect(options.map(({ name }) => name)).toContain('store')
    expect(options.filter(({ text }) => text === '').map(({ name }) => name)).toEqual([])
    expect(written(textOf(PAGE), 'ConductorOptions')).toBe(table(options))
  })

  it('has every limit with the number that holds', async () => {
    const { LIMITS: values } = (await import(pathToFileURL(join(root, OPTIONS)).href)) as {
      LIMITS: Record<string, number>
    }
    expect(written(textOf(PAGE), 'Limits')).toBe(table(limits))
    expect(Object.keys(values).sort()).toEqual(limits.map(({ name }) => name).sort())
    for (const { name, text } of limits) {
      const [, number = '', unit] = /Default ([\d,]+)( MiB)?/.exec(text) ?? []
      expect([name, Number(number.replaceAll(',', '')) * (unit === undefined ? 1 : 2 ** 20)]).toEqual([
        name,
        values[name],
      ])
    }
  })

  it.each(DEFINED)('has what %s takes, in the words of the source', (name, path) => {
    const members = membersOf(textOf(path), name)
    expect(members.filter(({ text }) => text === '').map((one) => one.name)).toEqual([])
    expect(written(textOf(DEFINITIONS), name)).toBe(table(members))
  })

  it('reads comments, defaults and what must be there', () => {
    const source = `interface A {\n  /** Where. */\n  readonly a: string\n  /** How\n   * many | few. Default 1.5 of them. */\n  b?: number\n}`
    expect(table(membersOf(source, 'A')).split('\n').slice(2)).toEqual([
      '| `a` | needed | Where. |',
      '| `b` | 1.5 of them | How many \\| few. |',
    ])
  })
})
