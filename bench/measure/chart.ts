/** Chart: groups of bars as SVG, readable on a light page and on a dark one. */

export interface Bar {
  readonly name: string
  readonly value: number
}

export interface Group {
  readonly title: string
  readonly bars: readonly Bar[]
}

const COLOURS = ['#0f766e', '#5eaaa2', '#b45309', '#7c6f9c', '#64748b']
const GREY = '#8b949e'
const [WIDTH, LABEL, VALUE, ROW, GAP, TOP] = [760, 150, 70, 20, 34, 46] as const

/** One bar per row; `unit` stands at 1 as a line. */
export function chart(title: string, unit: string, groups: readonly Group[]): string {
  const most = Math.max(1, ...groups.flatMap((group) => group.bars.map((bar) => bar.value)))
  const names = [...new Set(groups.flatMap((group) => group.bars.map((bar) => bar.name)))]
  const scale = (value: number): number => (value / most) * (WIDTH - LABEL - VALUE)
  let y: number = TOP
  const parts: string[] = []
  for (const group of groups) {
    parts.push(text(0, y + 13, group.title, 'font-weight="600"'))
    y += ROW
    for (const bar of group.bars) {
      parts.push(text(12, y + 13, bar.name))
      parts.push(rectangle(LABEL, y + 3, scale(bar.value), COLOURS[names.indexOf(bar.name) % COLOURS.length]!))
      parts.push(text(LABEL + scale(bar.value) + 6, y + 13, shownOf(bar.value)))
      y += ROW
    }
    y += GAP - ROW
  }
  const one = LABEL + scale(1)
  const line = `<line x1="${one}" y1="${TOP - 6}" x2="${one}" y2="${y - 8}" stroke="${GREY}" stroke-dasharray="3 3"/>`
  const head = [text(0, 16, title, 'font-weight="600"'), text(one - 4, TOP - 12, unit, 'text-anchor="middle"')]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" font-family="system-ui, sans-serif" font-size="12">
<title>${escaped(title)}</title>
${[...head, line, ...parts].join('\n')}
</svg>
`
}

function text(x: number, y: number, content: string, more = ''): string {
  return `<text x="${x.toFixed(1)}" y="${y}" fill="${GREY}" ${more}>${escaped(content)}</text>`
}

function rectangle(x: number, y: number, width: number, fill: string): string {
  return `<rect x="${x}" y="${y}" width="${Math.max(1, width).toFixed(1)}" height="14" rx="2" fill="${fill}"/>`
}

function shownOf(value: number): string {
  return `${Number(value.toPrecision(2))} ×`
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
