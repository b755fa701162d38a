/**
 * Stem: English words without their endings, so that "painted" finds "painting".
 *
 * Source: M. F. Porter, "An algorithm for suffix stripping", Program 14 (1980). Other scripts pass unchanged.
 */

/** The stem of a lower-case word. */
export function stem(word: string): string {
  if (word.length < 3 || !/^[a-z]+$/.test(word)) return word
  let w = word.startsWith('y') ? `Y${word.slice(1)}` : word
  w = plural(w)
  w = past(w)
  if (/[^aeiou]y$/.test(w) && hasVowel(w.slice(0, -1))) w = `${w.slice(0, -1)}i`
  w = swap(w, LONG, 0)
  w = swap(w, MIDDLE, 0)
  w = cutEnd(w)
  if (w.endsWith('e')) {
    const base = w.slice(0, -1)
    const m = measure(base)
    if (m > 1 || (m === 1 && !isShort(base))) w = base
  }
  if (w.endsWith('ll') && measure(w) > 1) w = w.slice(0, -1)
  return w.toLowerCase()
}

function plural(w: string): string {
  if (w.endsWith('sses') || w.endsWith('ies')) return w.slice(0, -2)
  return w.endsWith('s') && !w.endsWith('ss') ? w.slice(0, -1) : w
}

function past(w: string): string {
  if (w.endsWith('eed')) return measure(w.slice(0, -3)) > 0 ? w.slice(0, -1) : w
  const base = w.endsWith('ed') ? w.slice(0, -2) : w.endsWith('ing') ? w.slice(0, -3) : undefined
  if (base === undefined || !hasVowel(base)) return w
  if (/(?:at|bl|iz)$/.test(base)) return `${base}e`
  if (/([^aeiouylsz])\1$/.test(base)) return base.slice(0, -1)
  return measure(base) === 1 && isShort(base) ? `${base}e` : base
}

/** Endings that are replaced when something is left in front; of those that fit, the first. */
const LONG: readonly (readonly [string, string])[] = [
  ...([
    ['ational', 'ate'],
    ['tional', 'tion'],
    ['enci', 'ence'],
    ['anci', 'ance'],
    ['izer', 'ize'],
  ] as const),
  ...([
    ['abli', 'able'],
    ['alli', 'al'],
    ['entli', 'ent'],
    ['eli', 'e'],
    ['ousli', 'ous'],
  ] as const),
  ...([
    ['ization', 'ize'],
    ['ation', 'ate'],
    ['ator', 'ate'],
    ['alism', 'al'],
    ['iveness', 'ive'],
  ] as const),
  ...([
    ['fulness', 'ful'],
    ['ousness', 'ous'],
    ['aliti', 'al'],
    ['iviti', 'ive'],
    ['biliti', 'ble'],
  ] as const),
]
const MIDDLE: readonly (readonly [string, string])[] = [
  ...([
    ['icate', 'ic'],
    ['ative', ''],
    ['alize', 'al'],
    ['iciti', 'ic'],
    ['ical', 'ic'],
  ] as const),
  ...([
    ['ful', ''],
    ['ness', ''],
  ] as const),
]
const LAST = [
  ...['ement', 'ment', 'ent', 'ance', 'ence', 'able', 'ible', 'ant', 'ism', 'ate', 'iti', 'ous', 'ive', 'ize'],
  ...['al', 'er', 'ic', 'ou'],
]

function swap(w: string, endings: readonly (readonly [string, string])[], least: number): string {
  const found = endings.find(([ending]) => w.endsWith(ending))
  if (found === undefined) return w
  const base = w.slice(0, -found[0].length)
  return measure(base) > least ? base + found[1] : w
}

function cutEnd(w: string): string {
  if (/[st]ion$/.test(w)) return measure(w.slice(0, -3)) > 1 ? w.slice(0, -3) : w
  const ending = LAST.find((one) => w.endsWith(one))
  if (ending === undefined) return w
  const base = w.slice(0, -ending.length)
  return measure(base) > 1 ? base : w
}

/** How many times a vowel run is followed by a consonant run. */
function measure(w: string): number {
  return form(w).replace(/^c+/, '').match(/v+c+/g)?.length ?? 0
}

function hasVowel(w: string): boolean {
  return form(w).includes('v')
}

/** Consonant, vowel, consonant at the end, the last none of w, x, y. */
function isShort(w: string): boolean {
  return /[^wxyY]$/.test(w) && form(w).endsWith('cvc')
}

/** Each letter as `v` or `c`; "y" is a vowel behind a consonant. */
function form(w: string): string {
  let out = ''
  for (const letter of w) {
    const vowel = 'aeiou'.includes(letter) || (letter === 'y' && out.endsWith('c'))
    out += vowel ? 'v' : 'c'
  }
  return out
}
