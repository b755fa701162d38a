import { describe, expect, it } from 'vitest'
import { shown } from './glyphs.ts'

const flags = (text: string): string[] => shown(text).flags.map((flag) => flag.code)

describe('shown', () => {
  it('leaves what is as it seems', () => {
    const plain = [
      'to: ada@example.org, 42.00 EUR\n\tDear Ada,',
      'Grüße aus Köln, señora; 5 µm, 3 kΩ, m², nº 7',
      'Привет, Анна: счёт оплачен',
      'Καλημέρα',
      'почта.рф',
      'می‌خواهم', // a joiner that Persian needs
      'family 👨‍👩‍👧, thumbs 👍🏽, heart ❤️',
      '請求書 ２件',
    ]
    for (const text of plain) expect(shown(text), text).toEqual({ text, flags: [] })
  })

  it('writes out letters that pass for others, and says for which', () => {
    expect(shown('аda@x.com')).toEqual({
      text: '\\u{430}da@x.com',
      flags: [{ code: 'lookalike', text: '"\\u{430}da@x.com" only looks like "ada@x.com"' }],
    })
    expect(shown('pay раypal now').text).toBe('pay \\u{440}\\u{430}ypal now')
    expect(shown('https://аррӏе.com/login').text).toContain('\\u{430}\\u{440}\\u{440}\\u{4cf}\\u{435}.com')
    expect(shown('ɡoogle@x.com').text).toBe('\\u{261}oogle@x.com')
    expect(flags('Ｂob@x.com')).toEqual(['lookalike'])
    expect(flags('http://xn--80ak6aa92e.com')).toEqual(['punycode'])
  })

  it('writes out what turns the reading direction', () => {
    expect(shown('invoice\u202Efdp.exe')).toEqual({
      text: 'invoice\\u{202e}fdp.exe',
      flags: [{ code: 'direction', text: '1 characters turn the reading direction; they are written out' }],
    })
    expect(flags('\u2066a\u2069')).toEqual(['direction'])
  })

  it('writes out what cannot be seen: zero width, controls, tags, fillers', () => {
    for (const glyph of ['\u200b', '\u2060', '\ufeff', '\u00ad', '\u001b', '\r', '\u{e0041}', '\u3164', '\u200d']) {
      const { text, flags: said } = shown(`a${glyph}b`)
      expect(text).toBe(`a\\u{${glyph.codePointAt(0)!.toString(16)}}b`)
      expect(said.map((flag) => flag.code)).toEqual(['hidden'])
    }
  })
})
