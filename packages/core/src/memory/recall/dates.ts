/** Dates: the days, months and years that a text names, and whether it speaks of time at all. */

/** A span that was named: what is not said holds for all. */
export interface Mention {
  readonly year?: number
  /** 0 to 11. */
  readonly month?: number
  /** 1 to 31. */
  readonly day?: number
}

const MONTHS = [
  ...['january', 'february', 'march', 'april', 'may', 'june', 'july'],
  ...['august', 'september', 'october', 'november', 'december'],
]
const SHORT_MONTHS = new Map(MONTHS.flatMap((month, at) => [[month, at] as const, [month.slice(0, 3), at] as const]))
/** Words that place what is told in time. */
const TIME_WORDS = new Set(
  (
    'yesterday today tonight tomorrow ago last next week weekend month year morning evening night recently soon ' +
    'monday tuesday wednesday thursday friday saturday sunday'
  ).split(' '),
)

/** What the words name as dates, and the positions of those words. */
export function datesIn(words: readonly string[]): { mentions: Mention[]; at: Set<number> } {
  const mentions: Mention[] = []
  const at = new Set<number>()
  words.forEach((word, i) => {
    const month = SHORT_MONTHS.get(word)
    if (month === undefined || (word === 'may' && !isDated(words, i))) return
    const near = [i - 1, i + 1, i + 2].filter((j) => j >= 0 && j < words.length)
    const day = near.find((j) => j !== i + 2 && dayOf(words[j]!) !== undefined)
    const year = near.find((j) => yearOf(words[j]!) !== undefined && (j !== i + 2 || day === i + 1))
    for (const j of [i, day, year]) if (j !== undefined) at.add(j)
    mentions.push({
      month,
      ...(day === undefined ? {} : { day: dayOf(words[day]!)! }),
      ...(year === undefined ? {} : { year: yearOf(words[year]!)! }),
    })
  })
  words.forEach((word, i) => {
    if (at.has(i)) return
    const year = yearOf(word)
    if (year === undefined) return
    const [month, day] = [numberIn(words[i + 1], 12), numberIn(words[i + 2], 31)]
    if (month !== undefined && day !== undefined) {
      for (const j of [i, i + 1, i + 2]) at.add(j)
      mentions.push({ year, month: month - 1, day })
    } else {
      at.add(i)
      mentions.push({ year })
    }
  })
  return { mentions, at }
}

/** Does the day of `instant` (UTC) fall into what was named? A named day holds for its neighbours, too: people tell of it a day later. */
export function isOn(instant: number, { year, month, day }: Mention): boolean {
  const date = new Date(instant)
  if (year !== undefined && date.getUTCFullYear() !== year) return false
  if (month !== undefined && date.getUTCMonth() !== month) return false
  return day === undefined || Math.abs(date.getUTCDate() - day) <= 1
}

export function speaksOfTime(words: readonly string[]): boolean {
  return words.some((word) => TIME_WORDS.has(word) || yearOf(word) !== undefined)
}

/** "may" is a month beside a number, or behind a word that dates have. */
function isDated(words: readonly string[], at: number): boolean {
  const before = words[at - 1] ?? ''
  return (
    /^(in|of|on|since|until|during|by|last|next|early|late|mid)$/.test(before) ||
    [words[at + 1], before].some((word) => /^\d{1,4}(st|nd|rd|th)?$/.test(word ?? ''))
  )
}

function dayOf(word: string): number | undefined {
  const digits = /^(\d{1,2})(?:st|nd|rd|th)?$/.exec(word)?.[1]
  return digits === undefined ? undefined : numberIn(digits, 31)
}

function yearOf(word: string): number | undefined {
  return /^(19|20)\d\d$/.test(word) ? Number(word) : undefined
}

function numberIn(word: string | undefined, most: number): number | undefined {
  if (word === undefined || !/^\d{1,2}$/.test(word)) return undefined
  const number = Number(word)
  return number >= 1 && number <= most ? number : undefined
}
