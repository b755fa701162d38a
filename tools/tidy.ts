/** The rules of the house that read one file: header, size, names, forms that are not used, globals that core is handed. */
import { basename } from 'node:path'
import ts from 'typescript'
import { lineOf, parse, walk, type Source } from './sources.ts'

export const LIMITS = { fileLines: 400, functionLines: 60, publicMembers: 12 }

const BANNED_NAMES = ['types.ts', 'utils.ts', 'helpers.ts', 'common.ts', 'constants.ts']

/** In core these come in through a port, so that time and chance can be set in a test. */
const BANNED_CALLS = ['setTimeout', 'setInterval', 'fetch', 'randomUUID', 'randomUUIDv7']
const BANNED_MEMBERS = ['Date.now', 'Math.random', 'crypto.randomUUID', 'crypto.randomUUIDv7']
const PORTS = ['packages/core/src/base/clock.ts', 'packages/core/src/base/ids.ts']

/** Opens with a sentence that says what the file is. */
export const header = ({ path, text }: Source): string[] => {
  const opening = /^\/\*\*([\s\S]*?)\*\//.exec(text)?.[1]
  const sentence =
    opening
      ?.replace(/^[ \t]*\*[ \t]?/gm, '')
      .trim()
      .split(/\n\s*\n/)[0] ?? ''
  return sentence.split(/\s+/).length >= 3 && /[.:]$/.test(sentence)
    ? []
    : [`${path}: does not open with /** a sentence. */`]
}

export const name = ({ path }: Source): string[] =>
  BANNED_NAMES.includes(basename(path)) ? [`${path}: is named after nothing that it holds`] : []

export const fileSize = ({ path, text }: Source): string[] => {
  const lines = text.trimEnd().split('\n').length
  return lines > LIMITS.fileLines ? [`${path}: ${lines} lines, limit ${LIMITS.fileLines}`] : []
}

export const functionSize = (source: Source): string[] =>
  collect(source, (node) => {
    if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return undefined
    const file = node.getSourceFile()
    const lines = file.getLineAndCharacterOfPosition(node.getEnd()).line + 2 - lineOf(node)
    return lines > LIMITS.functionLines ? `a function of ${lines} lines, limit ${LIMITS.functionLines}` : undefined
  })

export const classSize = (source: Source): string[] =>
  collect(source, (node) => {
    if (!ts.isClassLike(node)) return undefined
    const members = new Set(node.members.filter(isPublic).map((member) => member.name?.getText() ?? '[index]'))
    return members.size > LIMITS.publicMembers
      ? `a class of ${members.size} public members, limit ${LIMITS.publicMembers}`
      : undefined
  })

/** No default exports, `export *`, enums, namespaces, decorators, and no inheritance but of an Error. */
export const forms = (source: Source): string[] => collect(source, bannedForm)

/** Core takes clock, chance and network from its ports; the two files that make the default ports are exempt. */
export const globals = (source: Source): string[] => {
  if (!source.path.startsWith('packages/core/src/') || PORTS.includes(source.path)) return []
  const declared = new Set<string>()
  walk(parse(source), (node) => {
    if ((ts.isParameter(node) || ts.isVariableDeclaration(node) || ts.isFunctionDeclaration(node)) && node.name)
      declared.add(node.name.getText())
    if (ts.isBindingElement(node)) declared.add(node.name.getText())
  })
  return collect(source, (node) => bannedGlobal(node, declared))
}

/** A title states what is so. */
export const titles = (source: Source): string[] =>
  collect(source, (node) => {
    if (!ts.isCallExpression(node) || !/^(it|test|describe)\b/.test(node.expression.getText())) return undefined
    const title = node.arguments[0]
    const text = title && (ts.isStringLiteralLike(title) || ts.isTemplateExpression(title)) ? title.getText() : ''
    return /\bshould\b/i.test(text) ? `the title ${text} says "should"` : undefined
  })

const collect = (source: Source, judge: (node: ts.Node) => string | undefined): string[] => {
  const found: string[] = []
  walk(parse(source), (node) => {
    const problem = judge(node)
    if (problem !== undefined) found.push(`${source.path}:${lineOf(node)}: ${problem}`)
  })
  return found
}

const isPublic = (member: ts.ClassElement): boolean => {
  if (ts.isConstructorDeclaration(member) || ts.isClassStaticBlockDeclaration(member)) return false
  if (member.name !== undefined && ts.isPrivateIdentifier(member.name)) return false
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected
  return (ts.getCombinedModifierFlags(member) & hidden) === 0
}

const bannedForm = (node: ts.Node): string | undefined => {
  if (ts.isExportAssignment(node)) return 'a default export'
  if (ts.isModifier(node) && node.kind === ts.SyntaxKind.DefaultKeyword) return 'a default export'
  if (ts.isExportDeclaration(node) && (!node.exportClause || ts.isNamespaceExport(node.exportClause)))
    return 'an export *'
  if (ts.isEnumDeclaration(node)) return 'an enum'
  if (ts.isModuleDeclaration(node) && ts.isIdentifier(node.name)) return 'a namespace'
  if (ts.isDecorator(node)) return 'a decorator'
  if (!ts.isClassLike(node)) return undefined
  const parent = node.heritageClauses?.find((clause) => clause.token === ts.SyntaxKind.ExtendsKeyword)?.types[0]
  const inherits = parent !== undefined && !/^\w*Error$/.test(parent.expression.getText())
  return inherits ? `inheritance of ${parent.expression.getText()}` : undefined
}

const bannedGlobal = (node: ts.Node, declared: ReadonlySet<string>): string | undefined => {
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length) return 'new Date()'
  if (ts.isCallExpression(node) && node.expression.getText() === 'Date') return 'Date()'
  if (ts.isPropertyAccessExpression(node)) return bannedMember(node)
  if (!ts.isIdentifier(node) || !BANNED_CALLS.includes(node.text) || declared.has(node.text)) return undefined
  return isReference(node) ? node.text : undefined
}

const bannedMember = (node: ts.PropertyAccessExpression): string | undefined => {
  const text = node.getText().replace(/^globalThis\./, '')
  const global = BANNED_CALLS.includes(text) && node.expression.getText() === 'globalThis'
  return global || BANNED_MEMBERS.includes(text) ? node.getText() : undefined
}

/** An identifier that stands for a value: not the name of a member, a key, or something in a type. */
const isReference = (node: ts.Identifier): boolean => {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node
  if (ts.isImportSpecifier(parent)) return true
  return ts.isExpression(parent) || ts.isShorthandPropertyAssignment(parent) || ts.isVariableDeclaration(parent)
}
