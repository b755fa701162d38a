/**
 * Glyphs: text as it can safely be shown to whoever decides: what is invisible, turns the reading direction, or passes for
 * another letter is written out, and said.
 *
 * L1. What executes is never changed by this; only what is shown.
 * L2. A letter is written out where it pretends: among Latin letters of one word, or in what reads like an address.
 *
 * Source of the pairs: Unicode UTS #39, confusables.txt (Cyrillic, Greek and Armenian letters that look like Latin ones).
 */

/** What a reader must know of a text: 'hidden', 'direction', 'lookalike', 'punycode', 'long'. */
export interface Flag {
  readonly code: 'hidden' | 'direction' | 'lookalike' | 'punycode' | 'long'
  readonly text: string
}

export interface Shown {
  readonly text: string
  readonly flags: readonly Flag[]
}

const PAIRS =
  'аaеeоoрpсcуyхxіiјjѕsԁdһhӏlԛqԝwАAВBЕEЅSІIЈJКKМMНHОOРPСCТTУYХXԌGԚQԜWαaοoρpνvιiκkυuγyϲcϳjΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧXսuհhոnօoսuցgԼLՕOՏS'
const LOOKALIKES: ReadonlyMap<string, string> = new Map(
  (PAIRS.match(/../gu) ?? []).map((pair) => [pair[0]!, pair[1]!] as const),
)
/** Letters of Latin script that pass for plain ones in an address. */
const ODD_LATIN: ReadonlyMap<string, string> = new Map([
  ['ı', 'i'],
  ['ȷ', 'j'],
  ['ɑ', 'a'],
  ['ɡ', 'g'],
  ['ſ', 's'],
])

const DIRECTION = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/u
/** Controls but tab and line feed, format characters, fillers, separators, private use, what is not assigned. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\u115F\u1160\u2028\u2029\u3164\uFFA0]|\u034F|\u17B4|\u17B5/u
const JOINER = /[\u200C\u200D]/
const PICTURE = /[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F]/u
const JOINED =
  /[\p{Script=Arabic}\p{Script=Syriac}\p{Script=Mongolian}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Khmer}\p{Script=Myanmar}]/u
const OUTSIDE_ASCII = /[^\t\n\x20-\x7e]/

/** A text as it is shown, with what is to be said of it. */
export function shown(text: string): Shown {
  if (!OUTSIDE_ASCII.test(text)) return { text, flags: punycode(text) }
  const flags: Flag[] = []
  const visible = unhidden(text.replaceAll('\r\n', '\n'), flags)
  const plain = visible.replaceAll(/\S+/gu, (token) => unmasked(token, flags))
  return { text: plain, flags: [...flags, ...punycode(plain)] }
}

/** Writes out what cannot be seen. */
function unhidden(text: string, flags: Flag[]): string {
  const glyphs = [...text]
  let hidden = 0
  let turned = 0
  const out = glyphs.map((glyph, i) => {
    if (DIRECTION.test(glyph)) {
      turned++
      return escape(glyph)
    }
    if (glyph === '\n' || glyph === '\t' || !HIDDEN.test(glyph) || joins(glyphs, i)) return glyph
    hidden++
    return escape(glyph)
  })
  if (turned > 0)
    flags.push({ code: 'direction', text: `${turned} characters turn the reading direction; they are written out` })
  if (hidden > 0) flags.push({ code: 'hidden', text: `${hidden} characters cannot be seen; they are written out` })
  return out.join('')
}

/** Joiners that emoji and some scripts need. */
function joins(glyphs: readonly string[], at: number): boolean {
  const [before = '', glyph = '', after = ''] = [glyphs[at - 1], glyphs[at], glyphs[at + 1]]
  if (!JOINER.test(glyph)) return false
  return (PICTURE.test(before) && PICTURE.test(after)) || (JOINED.test(before) && JOINED.test(after))
}

/** Writes out the letters of one token that pass for others. */
function unmasked(token: string, flags: Flag[]): string {
  if (!/[^\x20-\x7e]/.test(token)) return token
  const address = /@|:\/\/|[\p{L}\p{N}]\.[\p{L}\p{N}]/u.test(token)
  let plain = ''
  let found = false
  const out = token.replaceAll(/[\p{L}\p{M}\p{N}]+|[^\p{L}\p{M}\p{N}]+/gu, (word) => {
    const masks = masksIn(word, address)
    plain += [...word].map((glyph) => (masks ? (meant(glyph, address) ?? glyph) : glyph)).join('')
    if (!masks) return word
    found = true
    return [...word].map((glyph) => (meant(glyph, address) === undefined ? glyph : escape(glyph))).join('')
  })
  if (found) flags.push({ code: 'lookalike', text: `"${out}" only looks like "${plain}"` })
  return out
}

function masksIn(word: string, address: boolean): boolean {
  const letters = [...word].filter((glyph) => /\p{L}/u.test(glyph))
  const masks = letters.filter((glyph) => meant(glyph, address) !== undefined)
  if (masks.length === 0) return false
  return masks.length === letters.length ? address : letters.some((glyph) => /[A-Za-z]/.test(glyph))
}

/** The plain letter that a glyph passes for. */
function meant(glyph: string, address: boolean): string | undefined {
  const pair = LOOKALIKES.get(glyph) ?? (address ? ODD_LATIN.get(glyph) : undefined)
  if (pair !== undefined) return pair
  if (/^[\x20-\x7e\xaa\xba]$/.test(glyph) || !/\p{L}/u.test(glyph)) return undefined
  const folded = glyph.normalize('NFKC')
  return /^[A-Za-z]$/.test(folded) ? folded : undefined
}

function punycode(text: string): Flag[] {
  const found = /\bxn--[a-z0-9-]+/i.exec(text)
  return found === null ? [] : [{ code: 'punycode', text: `"${found[0]}" is a name in other letters` }]
}

function escape(glyph: string): string {
  return `\\u{${glyph.codePointAt(0)!.toString(16)}}`
}
