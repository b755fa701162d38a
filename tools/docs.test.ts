/**
 * The code in the documentation: blocks marked `ts` type-check against the packages, quotes equal what they quote.
 *
 * A block is checked unless its fence says `ts no-check`. Below `<!-- quote examples/x.ts#region -->` the next block
 * equals the lines between `// #region region` and `// #endregion` of that file; without `#region`, the whole file.
 */
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { exists, find, root, type Source } from './sources.ts'

interface Block {
  readonly page: string
  readonly line: number
  readonly info: string
  readonly code: string
  /** What the comment right above says that the block quotes. */
  readonly quotes: string | undefined
}

const FENCE = /^([ \t]*)(`{3,}|~{3,})([^\n`]*)\n([\s\S]*?)^[ \t]*\2[`~]*[ \t]*$/gm
const QUOTE = /<!--\s*quote\s+(\S+)\s*-->\s*$/

const blocksOf = ({ path, text }: Source): Block[] =>
  [...text.matchAll(FENCE)].map((match) => {
    const [, indent = '', , info = '', code = ''] = match
    const before = text.slice(0, match.index)
    return {
      page: path,
      line: before.split('\n').length,
      info: info.trim(),
      code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      quotes: QUOTE.exec(before)?.[1],
    }
  })

const isChecked = (block: Block): boolean => /^(ts|typescript)$/.test(block.info) && block.quotes === undefined

const compilerOptions = (): ts.CompilerOptions => {
  const file = join(root, 'tsconfig.json')
  const read = ts.readConfigFile(file, (path) => ts.sys.readFile(path))
  const { options } = ts.parseJsonConfigFileContent(read.config, ts.sys, root, undefined, file, undefined)
  return { ...options, noUnusedLocals: false }
}

/** Compiles each block as a module of its own that lies beside its page, and returns what TypeScript says about it. */
const typeErrors = (blocks: Block[]): string[] => {
  const files = new Map(blocks.map((block) => [join(root, `${block.page}.${block.line}.ts`), block]))
  const options = compilerOptions()
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile } = host
  host.fileExists = (path) => files.has(path) || fileExists(path)
  host.readFile = (path) => files.get(path)?.code ?? readFile(path)
  const program = ts.createProgram([...files.keys()], options, host)
  return [...files].flatMap(([path, block]) => {
    const file = program.getSourceFile(path)
    const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
    return found.map((diagnostic) => {
      const line = file?.getLineAndCharacterOfPosition(diagnostic.start ?? 0).line ?? 0
      return `${block.page}:${block.line + 1 + line}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ')}`
    })
  })
}

const dedent = (text: string): string => {
  const lines = text.replace(/^\n+/, '').trimEnd().split('\n')
  const indents = lines.filter((line) => line.trim() !== '').map((line) => line.length - line.trimStart().length)
  return lines.map((line) => line.slice(Math.min(...indents))).join('\n')
}

const quoted = (text: string, region: string | undefined): string | undefined => {
  if (region === undefined) return dedent(text)
  const lines = text.split('\n')
  const from = lines.findIndex((line) => line.trim() === `// #region ${region}`)
  const length = lines.slice(from).findIndex((line) => line.trim().startsWith('// #endregion'))
  return from < 0 || length < 0 ? undefined : dedent(lines.slice(from + 1, from + length).join('\n'))
}

const misquoted = (block: Block): string[] => {
  if (block.quotes === undefined) return []
  const [path = '', region] = block.quotes.split('#')
  const text = exists(path) ? find(path)[0]?.text : undefined
  if (text === undefined) return [`${block.page}:${block.line}: quotes ${path}, which is not there`]
  const expected = quoted(text, region)
  if (expected === undefined) return [`${block.page}:${block.line}: ${path} has no region ${region}`]
  return expected === dedent(block.code) ? [] : [`${block.page}:${block.line}: differs from ${block.quotes}`]
}

/** A marker that no block follows quotes nothing, so it would never be compared. */
const idle = ({ path, text }: Source): string[] => {
  const markers = text.match(/<!--\s*quote\s/g)?.length ?? 0
  const used = blocksOf({ path, text }).filter((block) => block.quotes !== undefined).length
  return markers === used ? [] : [`${path}: ${markers - used} quote marker(s) without a block right below`]
}

describe('the documentation', () => {
  const pages = find('*.md', 'packages/*/*.md', 'examples/**/*.md', 'docs/**/*.md').filter(
    ({ path }) => !path.startsWith('docs/api/') && !path.endsWith('CHANGELOG.md'),
  )
  const blocks = pages.flatMap(blocksOf)

  it('has pages', () => {
    expect(pages.map(({ path }) => path)).toContain('packages/core/README.md')
  })

  it('has code that type-checks', () => {
    const planted: Block = {
      page: 'docs/planted.md',
      line: 1,
      info: 'ts',
      code: "import { z } from 'zod'\nexport const n: string = z.number().parse(1)\n",
      quotes: undefined,
    }
    const [wrong, ...others] = typeErrors([planted, ...blocks.filter(isChecked)])
    expect(wrong).toMatch(/^docs\/planted.md:3: Type 'number' is not assignable/)
    expect(others).toEqual([])
  })

  it('quotes what the examples say', () => {
    expect([...blocks.flatMap(misquoted), ...pages.flatMap(idle)]).toEqual([])
  })
})

describe('the check of the documentation', () => {
  const page = (text: string): Source => ({ path: 'docs/a.md', text })

  it('reads the fences of a page, also inside a list', () => {
    const blocks = blocksOf(
      page('a\n\n```ts\nconst a = 1\n```\n\n- b\n  ```ts no-check\n  b\n  ```\n\n```sh\nls\n```\n'),
    )
    expect(blocks.map(({ line, info, code }) => [line, info, code])).toEqual([
      [3, 'ts', 'const a = 1\n'],
      [8, 'ts no-check', 'b\n'],
      [12, 'sh', 'ls\n'],
    ])
    expect(blocks.filter(isChecked)).toHaveLength(1)
  })

  it('finds the region that is quoted', () => {
    const text = '/** A. */\n  // #region one\n  a()\n\n    b()\n  // #endregion\nc()\n'
    expect(quoted(text, 'one')).toBe('a()\n\n  b()')
    expect(quoted(text, 'two')).toBeUndefined()
  })

  it('sees a quote that differs, that quotes nothing, or that no block follows', () => {
    const quote = (code: string, what: string): string[] =>
      blocksOf(page(`<!-- quote ${what} -->\n\`\`\`json\n${code}\n\`\`\`\n`)).flatMap(misquoted)
    expect(quote('{ "no": 1 }', '.prettierrc')).toHaveLength(1)
    expect(quote('', 'examples/none.ts')).toHaveLength(1)
    expect(quote(find('.prettierrc')[0]?.text ?? '', '.prettierrc')).toEqual([])
    expect(idle(page('<!-- quote .prettierrc -->\n\ntext'))).toHaveLength(1)
  })
})
