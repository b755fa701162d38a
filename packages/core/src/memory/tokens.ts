/**
 * Tokens: how many a model will see in a text, without its tokenizer.
 *
 * Fitted to o200k_base on prose in 23 languages, dialogues, Markdown, TypeScript and JSON: within an eighth in English,
 * dialogue, code and records, and within a quarter in most languages of Europe. Scripts without spaces count on the safe
 * side, up to twice as much, and so does Russian, by 1.4. No run of signs counts for one token however long it is: pictures,
 * arrows and the like count each, as they may be all that somebody writes. Older tokenizers see up to twice as many in languages other than
 * English. Who needs tokens exactly passes `countTokens`.
 */

const PIECES =
  /([\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Hangul}\p{Script=Khmer}\p{Script=Lao}\p{Script=Myanmar}\p{Script=Tibetan}\p{Script=Ethiopic}])|(\p{N}+)|([A-Za-z]+)|([\p{L}\p{M}]+)|([!-/:-@[-`{-~\u00a1-\u00bf\u2010-\u205e]+)|\S/gu

/** Tokens of a text, estimated: by its words and their length, its numbers, its runs of signs, and each sign that is rarer. */
export function estimateTokens(text: string): number {
  let tokens = 0
  for (const [, dense, digits, word, other, signs] of text.matchAll(PIECES)) {
    if (dense !== undefined) tokens += 1
    else if (digits !== undefined) tokens += 0.75 * Math.ceil(digits.length / 3)
    else if (word !== undefined) tokens += 0.9 + 0.35 * Math.max(0, word.length - 6)
    else if (other !== undefined) tokens += 0.38 * other.length
    else if (signs !== undefined) tokens += ofSigns(signs)
    else tokens += 1.25
  }
  return Math.ceil(tokens)
}

/** A few together are one token, and so are many of the same, as in a rule or a row of dots. */
function ofSigns(signs: string): number {
  if (signs.length <= 4) return 1.05
  const turns = signs.replace(/(.)\1+/g, '$1').length
  return 1.05 + 0.5 * Math.max(0, turns - 4) + signs.length / 64
}
