/**
 * Tokens: how many a model will see in a text, without its tokenizer.
 *
 * Fitted to o200k_base on prose in 23 languages, dialogues, Markdown, TypeScript and JSON: within an eighth in English,
 * dialogue, code and records, and within a quarter in most languages of Europe. Scripts without spaces count on the safe
 * side, up to twice as much, and so does Russian, by 1.4. Older tokenizers see up to twice as many in languages other than
 * English. Who needs tokens exactly passes `countTokens`.
 */

const PIECES =
  /([\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Hangul}])|(\p{N}+)|([A-Za-z]+)|([\p{L}\p{M}]+)|[^\s\p{L}\p{M}\p{N}]+/gu

/** Tokens of a text, estimated: by its words and their length, its numbers, and its runs of signs. */
export function estimateTokens(text: string): number {
  let tokens = 0
  for (const [, dense, digits, word, other] of text.matchAll(PIECES)) {
    if (dense !== undefined) tokens += 1
    else if (digits !== undefined) tokens += 0.75 * Math.ceil(digits.length / 3)
    else if (word !== undefined) tokens += 0.9 + 0.35 * Math.max(0, word.length - 6)
    else if (other !== undefined) tokens += 0.38 * other.length
    else tokens += 1.05
  }
  return Math.ceil(tokens)
}
