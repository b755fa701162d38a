/** Screen: how the demo prints: progress with seconds, headings, aligned tables. Colour only where a terminal wants it. */
import { stripVTControlCharacters, styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

const WIDTH = 118
const INDENT = '  '
const startedAt = performance.now()

/** Honours NO_COLOR, and leaves text alone where it is not for a terminal. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout })
}

export function title(text: string): void {
  console.log(`\n${paint('bold', text)}\n`)
}

export function section(text: string): void {
  console.log(`\n${paint(['bold', 'cyan'], text)}`)
}

/** One line of progress. */
export function step(text: string, style?: Style): void {
  const seconds = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`.padStart(8)
  console.log(`${paint('dim', seconds)}  ${style === undefined ? text : paint(style, text)}`)
}

/** A line of a section. */
export function line(text = ''): void {
  console.log(`${INDENT}${text}`.trimEnd())
}

/** Rows of cells in columns; the last one is cut where a line would be too long. */
export function table(rows: readonly (readonly string[])[], heads?: readonly string[]): void {
  const all = heads === undefined ? rows : [heads, ...rows]
  const widths = all.reduce<number[]>((max, row) => row.map((cell, i) => Math.max(max[i] ?? 0, columns(cell))), [])
  for (const row of all) {
    const cells = row.map((cell, i) => (i === row.length - 1 ? cell : cell + ' '.repeat(widths[i]! - columns(cell))))
    const text = cut(cells.join('  '), WIDTH - INDENT.length)
    line(row === heads ? paint('dim', text) : text)
  }
}

/** `text` on lines of at most the width, each further one beginning under the first. */
export function wrapped(label: string, text: string, labelWidth: number): void {
  const room = WIDTH - INDENT.length - labelWidth - 2
  const lines = text.split('\n').flatMap((each) => wrap(each, room))
  lines.forEach((each, i) => line(`${paint('dim', (i === 0 ? label : '').padEnd(labelWidth))}  ${each}`))
}

export function cut(text: string, width: number): string {
  const characters = [...text]
  if (characters.length <= width || stripVTControlCharacters(text).length <= width) return text
  return `${characters.slice(0, width - 1).join('')}…`
}

function wrap(text: string, room: number): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!
    if (last !== '' && last.length + 1 + word.length > room) lines.push(word)
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`
  }
  return lines
}

/** How many columns of a terminal a text takes, wide pictures counted as two. */
function columns(text: string): number {
  return [...stripVTControlCharacters(text)].reduce(
    (sum, character) => sum + (/\p{Emoji_Presentation}/u.test(character) ? 2 : 1),
    0,
  )
}
