/** The rules of the house, held against every file, and each rule against something that breaks it. */
import { describe, expect, it } from 'vitest'
import { find, shipped, type Source } from './sources.ts'
import { classSize, fileSize, forms, functionSize, globals, header, LIMITS, name, titles } from './tidy.ts'

const sources = shipped()
const tests = find('packages/*/src/**/*.test.ts', 'packages/*/test/**/*.ts', 'tests/**/*.ts', 'tools/**/*.ts')

describe('every source file', () => {
  it('opens with a sentence that says what it is', () => {
    expect(sources.flatMap(header)).toEqual([])
  })

  it('is named after what it holds', () => {
    expect(sources.flatMap(name)).toEqual([])
  })

  it(`has at most ${LIMITS.fileLines} lines`, () => {
    expect(sources.flatMap(fileSize)).toEqual([])
  })

  it(`has functions of at most ${LIMITS.functionLines} lines`, () => {
    expect(sources.flatMap(functionSize)).toEqual([])
  })

  it(`has classes of at most ${LIMITS.publicMembers} public members`, () => {
    expect(sources.flatMap(classSize)).toEqual([])
  })

  it('has no default export, export *, enum, namespace, decorator, or inheritance but of Error', () => {
    expect(sources.flatMap(forms)).toEqual([])
  })

  it('takes time, chance and network from a port when it is in core', () => {
    expect(sources.flatMap(globals)).toEqual([])
  })
})

describe('every test', () => {
  it('has a title that states what is so', () => {
    expect(tests.length).toBeGreaterThan(0)
    expect(tests.flatMap(titles)).toEqual([])
  })
})

describe('the rules', () => {
  const file = (text: string, path = 'packages/core/src/base/a.ts'): Source => ({ path, text })
  const lines = (count: number): string => 'a()\n'.repeat(count)

  it('see a missing header', () => {
    expect(header(file('/** Json: the one kind of value that is stored. */\nimport'))).toEqual([])
    expect(header(file("import { a } from './a.ts'"))).toHaveLength(1)
    expect(header(file('/** Json */'))).toHaveLength(1)
  })

  it('see a name that says nothing', () => {
    expect(name(file('', 'packages/core/src/policy/utils.ts'))).toHaveLength(1)
  })

  it('see a file and a function that are too long', () => {
    expect(fileSize(file(lines(LIMITS.fileLines)))).toEqual([])
    expect(fileSize(file(lines(LIMITS.fileLines + 1)))).toHaveLength(1)
    expect(functionSize(file(`const f = () => {\n${lines(LIMITS.functionLines - 2)}}`))).toEqual([])
    expect(functionSize(file(`const f = () => {\n${lines(LIMITS.functionLines - 1)}}`))).toHaveLength(1)
  })

  it('see a class with too many public members, and do not count the others', () => {
    const members = Array.from({ length: LIMITS.publicMembers }, (_, i) => `m${i}() {}`).join('\n')
    expect(classSize(file(`class A { #x = 1; private y = 2; constructor() {} ${members} }`))).toEqual([])
    expect(classSize(file(`class A { one = 1; ${members} }`))).toHaveLength(1)
  })

  it('see each form that is not used', () => {
    for (const text of [
      'export default 1',
      'export default function f() {}',
      "export * from './b.ts'",
      "export * as b from './b.ts'",
      'enum A { B }',
      'namespace A { export const b = 1 }',
      '@sealed class A {}',
      'class A extends EventEmitter {}',
    ]) {
      expect(forms(file(text)), text).toHaveLength(1)
    }
    expect(forms(file("class A extends Error {}\nexport { b } from './b.ts'\ndeclare module 'x' {}"))).toEqual([])
  })

  it('see each global that core is handed', () => {
    for (const text of [
      'const t = Date.now()',
      'const t = new Date()',
      'const t = Math.random()',
      'setTimeout(go, 5)',
      'const arm = globalThis.setInterval',
      "import { randomUUID } from 'node:crypto'",
      'const id = crypto.randomUUID()',
      'const use = { fetch }',
      'await fetch(url)',
    ]) {
      expect(globals(file(text)), text).toHaveLength(1)
      expect(globals(file(text, 'packages/core/src/base/clock.ts')), text).toEqual([])
      expect(globals(file(text, 'packages/connectors/src/email/index.ts')), text).toEqual([])
    }
    const fine =
      'const t = new Date(at); const go = (fetch: Fetch) => fetch(url); port.fetch(url); const o = { setTimeout: 1 }'
    expect(globals(file(fine))).toEqual([])
  })

  it('see a title that says what it wants', () => {
    const says = 'should'
    expect(titles(file(`it('${says} work', () => {})`))).toHaveLength(1)
    expect(titles(file(`it.each([1])('it ${says} work', () => {})`))).toHaveLength(1)
    expect(titles(file("it('works', () => {})"))).toEqual([])
  })
})
