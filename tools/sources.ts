/** The sources that the checks of this folder read: files, their syntax trees and their imports. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join, posix, resolve } from 'node:path'
import ts from 'typescript'

export const root = resolve(import.meta.dirname, '..')

export interface Source {
  /** From the root of the repository, with `/`. */
  readonly path: string
  readonly text: string
}

export interface Import {
  readonly specifier: string
  readonly how: 'static' | 'type' | 'dynamic'
}

/** Finds by a pattern from the root; what the build or npm made does not count. */
export const find = (...patterns: string[]): Source[] =>
  globSync(patterns, { cwd: root })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => !/(^|\/)(node_modules|dist)\//.test(path))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))

export const exists = (path: string): boolean => existsSync(join(root, path))

export const readJson = <T>(path: string): T => JSON.parse(readFileSync(join(root, path), 'utf8')) as T

/** The names of the folders in packages/, at least the one of core: a wrong root is an error, never an empty pass. */
export const packageNames = (): string[] => {
  const names = find('packages/*/package.json').map(({ path }) => path.split('/')[1] as string)
  if (!names.includes('core')) throw new Error(`no packages/core in ${root}`)
  return names
}

export const isTest = (path: string): boolean => /\.test(-d)?\.ts$/.test(path)

/** What is shipped: packages/<name>/src without its tests. */
export const shipped = (): Source[] => {
  const names = packageNames()
  return names.flatMap((name) => find(`packages/${name}/src/**/*.ts`)).filter(({ path }) => !isTest(path))
}

export const parse = ({ path, text }: Source): ts.SourceFile =>
  ts.createSourceFile(basename(path), text, ts.ScriptTarget.Latest, true)

/** Calls `visit` with every node of the tree. */
export const walk = (node: ts.Node, visit: (node: ts.Node) => void): void => {
  visit(node)
  ts.forEachChild(node, (child) => walk(child, visit))
}

export const lineOf = (node: ts.Node): number => {
  const file = node.getSourceFile()
  return file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1
}

/**
 * What the whole title of each test of a file ends with, as a reporter prints it: the titles of the groups around it in the file, and its
 * own; where a case or a variable fills something in, anything fits. The suite of stores calls them `given` and `ofTwo`.
 */
export const testTitles = (source: Source): RegExp[] => {
  const found: RegExp[] = []
  const look = (node: ts.Node, around: readonly string[]): void => {
    const kind = ts.isCallExpression(node)
      ? /^(it|test|given|ofTwo|describe)\b/.exec(node.expression.getText())?.[1]
      : undefined
    const title = kind === undefined ? undefined : titlePattern((node as ts.CallExpression).arguments[0])
    const inside = title === undefined ? around : [...around, title]
    if (title !== undefined && kind !== 'describe') found.push(new RegExp(`(^| > )${inside.join(' > ')}$`))
    ts.forEachChild(node, (child) => look(child, inside))
  }
  look(parse(source), [])
  return found
}

/** Undefined for what is no title: `it.each(…)` has its cases there. A variable is one of the names of a table of the file. */
const titlePattern = (title: ts.Expression | undefined): string | undefined => {
  if (title === undefined) return undefined
  if (ts.isStringLiteralLike(title)) return filled(title.text)
  if (ts.isIdentifier(title) && (title.parent as ts.CallExpression).arguments.length > 1) return tableNames(title)
  if (!ts.isTemplateExpression(title)) return undefined
  return [title.head, ...title.templateSpans.map((span) => span.literal)].map(({ text }) => filled(text)).join('.*')
}

const tableNames = (node: ts.Node): string => {
  const names: string[] = []
  walk(node.getSourceFile(), (one) => {
    if (ts.isPropertyAssignment(one) && ts.isStringLiteral(one.name)) names.push(filled(one.name.text))
  })
  return `(${names.join('|')})`
}

const filled = (text: string): string =>
  text
    .split(/%[sdifjoO#c]|\$[\w.]+/)
    .map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&'))
    .join('.*')

/** Every import of a file, in whatever form it is written. */
export const importsOf = (source: Source): Import[] => {
  const found: Import[] = []
  walk(parse(source), (node) => {
    if (ts.isImportDeclaration(node)) add(found, node.moduleSpecifier, onlyTypes(node) ? 'type' : 'static')
    else if (ts.isExportDeclaration(node)) add(found, node.moduleSpecifier, node.isTypeOnly ? 'type' : 'static')
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(found, node.argument.literal, 'type')
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(found, node.arguments[0], 'dynamic')
  })
  return found
}

/** The path that a relative import means, undefined for a package. */
export const target = (from: string, specifier: string): string | undefined =>
  specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : undefined

/** The package that a specifier names: `@scope/name` of `@scope/name/sub`; a builtin keeps its `node:`. */
export const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

const onlyTypes = (node: ts.ImportDeclaration): boolean =>
  node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword

const add = (found: Import[], specifier: ts.Expression | undefined, how: Import['how']): void => {
  if (specifier !== undefined && ts.isStringLiteralLike(specifier)) found.push({ specifier: specifier.text, how })
}
