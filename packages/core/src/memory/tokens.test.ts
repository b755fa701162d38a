import { expect, test } from 'vitest'
import { estimateTokens } from './tokens.ts'

/** What o200k_base makes of them. */
const SAMPLES: readonly (readonly [string, number, string])[] = [
  [
    'english',
    50,
    'Thank you for your message of 3 March. We would be glad to send an offer for the new shop; the terms of payment are in the annex. Could we talk on Thursday at 2 pm, or does Friday morning suit you better?',
  ],
  [
    'dialogue',
    57,
    "- 2026-05-08 Anna: Hey, how was the weekend? I've been painting again, it's such a good way to relax. - 2026-05-09 Jonas: Lovely! We went to the lake with the kids, they didn't want to leave.",
  ],
  [
    'german',
    48,
    'Vielen Dank für Ihre Nachricht vom 3. März. Gern senden wir Ihnen ein Angebot für den neuen Laden; die Zahlungsbedingungen stehen im Anhang. Können wir am Donnerstag um 14 Uhr sprechen, oder passt Ihnen der Freitag besser?',
  ],
  [
    'french',
    52,
    'Merci pour votre message du 3 mars. Nous vous enverrons volontiers une offre pour la nouvelle boutique ; les conditions de paiement sont en annexe. Pourrions-nous nous parler jeudi à 14 heures, ou vendredi matin vous convient-il mieux ?',
  ],
  [
    'polish',
    65,
    'Dziękujemy za wiadomość z 3 marca. Chętnie prześlemy ofertę na nowy sklep; warunki płatności znajdują się w załączniku. Czy możemy porozmawiać w czwartek o godzinie 14, czy lepiej w piątek rano?',
  ],
  [
    'finnish',
    60,
    'Kiitos viestistänne. Lähetämme mielellämme tarjouksen uudesta myymälästä; maksuehdot ovat liitteessä. Voisimmeko puhua torstaina kello 14, vai sopiiko perjantaiaamu paremmin?',
  ],
  [
    'greek',
    61,
    'Σας ευχαριστούμε για το μήνυμά σας. Με χαρά θα σας στείλουμε προσφορά για το νέο κατάστημα. Μπορούμε να μιλήσουμε την Πέμπτη στις 14 ή προτιμάτε την Παρασκευή το πρωί;',
  ],
  [
    'japanese',
    27,
    'お問い合わせありがとうございます。新しい店舗のお見積もりをお送りします。木曜日の14時にお話しできますか。',
  ],
  [
    'record',
    50,
    'customer/cus_8f2k: {"city":"Berlin","currency":"EUR","email":"anna@example.com","name":"Anna Weber","since":"2026-03-04","tags":["new","studio"],"total":12037}',
  ],
  [
    'code',
    33,
    'export function total(lines: readonly Line[]): number {\n  return lines.reduce((sum, { price, count }) => sum + price * count, 0)\n}\n',
  ],
]

test.each(SAMPLES)('%s: an estimate is close to the tokens', (name, tokens, text) => {
  const close = /english|dialogue|record|code/.test(name) ? 1.125 : 1.4
  expect(estimateTokens(text) / tokens).toBeGreaterThan(1 / close)
  expect(estimateTokens(text) / tokens).toBeLessThan(name === 'japanese' ? 2 : close)
})

test('what has no words has the tokens of its signs, and nothing has none', () => {
  expect(estimateTokens('')).toBe(0)
  expect(estimateTokens(' \n\t ')).toBe(0)
  expect(estimateTokens('"":{}')).toBeGreaterThan(0)
})

/** What o200k_base makes of a thousand signs of them. */
test.each([
  ['pictures', '😀', 1000],
  ['pictures of many parts', '👍🏽🎉🔥', 1500],
  ['arrows', '→←', 1000],
  ['formulas', '∑∏∂√∞', 1600],
  ['signs', '!@#$%^&*()', 700],
  ['brackets', '[[{}],[{}],', 455],
  ['a rule', '-', 16],
  ['Khmer', 'សួស្តីពិភពលោក', 770],
])('%s count by how many there are', (_, some, tokens) => {
  const signs = [...some]
  const text = Array.from({ length: 1000 }, (__, at) => signs[at % signs.length]).join('')
  expect(estimateTokens(text) / tokens).toBeGreaterThan(0.7)
  expect(estimateTokens(text) / tokens).toBeLessThan(1.4)
})
