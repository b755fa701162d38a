/** Hours: the first free time within working hours, in the operator's zone. */
import { describe, expect, it } from 'vitest'
import { firstFree, WorkingHours, type Interval } from '../src/calendar/hours.ts'
import { isoIn, zoneOf } from '../src/calendar/zone.ts'

const span = (from: string, to: string): Interval => ({ startAt: Date.parse(from), endAt: Date.parse(to) })

function first(query: {
  from: string
  to: string
  busy?: Interval[]
  minutes?: number
  zone?: string
  hours?: WorkingHours
}): string | undefined {
  const zone = zoneOf(query.zone ?? 'Europe/Berlin')
  const found = firstFree({
    range: span(query.from, query.to),
    busy: query.busy ?? [],
    lengthMs: (query.minutes ?? 30) * 60_000,
    hours: query.hours ?? { start: '09:00', end: '17:00' },
    zone,
  })
  return found && isoIn(found.startAt, zone)
}

describe('the first free time', () => {
  // 2026-06-01 is a Monday.
  it.each([
    [
      'is now, on the next quarter hour',
      { from: '2026-06-01T08:01Z', to: '2026-06-05T00:00Z' },
      '2026-06-01T10:15:00+02:00',
    ],
    ['is when work begins', { from: '2026-06-01T03:00Z', to: '2026-06-05T00:00Z' }, '2026-06-01T09:00:00+02:00'],
    [
      'is the next day when today does not leave enough',
      { from: '2026-06-01T14:31Z', to: '2026-06-05T00:00Z' },
      '2026-06-02T09:00:00+02:00',
    ],
    ['fits to the end of work', { from: '2026-06-01T14:30Z', to: '2026-06-05T00:00Z' }, '2026-06-01T16:30:00+02:00'],
    ['skips the weekend', { from: '2026-06-05T15:00Z', to: '2026-06-10T00:00Z' }, '2026-06-08T09:00:00+02:00'],
    ['is nowhere on a weekend', { from: '2026-06-06T00:00Z', to: '2026-06-08T00:00Z' }, undefined],
    ['is nowhere in a range that ends too soon', { from: '2026-06-01T07:00Z', to: '2026-06-01T07:29Z' }, undefined],
    [
      'is nowhere when it is longer than a day of work',
      { from: '2026-06-01T00:00Z', to: '2026-06-30T00:00Z', minutes: 481 },
      undefined,
    ],
    [
      'goes by the days of work',
      { from: '2026-06-01T00:00Z', to: '2026-06-08T00:00Z', hours: { start: '10:00', end: '24:00', days: [6] } },
      '2026-06-06T10:00:00+02:00',
    ],
  ] as const)('%s', (_what, query, wanted) => {
    expect(first(query as Parameters<typeof first>[0])).toBe(wanted)
  })

  const day = { from: '2026-06-01T07:00Z', to: '2026-06-02T07:00Z' }
  it.each([
    ['before what is taken', [span('2026-06-01T07:30Z', '2026-06-01T15:00Z')], '2026-06-01T09:00:00+02:00'],
    [
      'in a gap that just fits',
      [span('2026-06-01T06:00Z', '2026-06-01T08:00Z'), span('2026-06-01T08:30Z', '2026-06-01T15:00Z')],
      '2026-06-01T10:00:00+02:00',
    ],
    [
      'not in a gap that is a minute short',
      [span('2026-06-01T06:00Z', '2026-06-01T08:01Z'), span('2026-06-01T08:30Z', '2026-06-01T10:00Z')],
      '2026-06-01T12:00:00+02:00',
    ],
    [
      'after intervals that overlap and come in any order',
      [
        span('2026-06-01T09:00Z', '2026-06-01T11:10Z'),
        span('2026-06-01T06:00Z', '2026-06-01T12:00Z'),
        span('2026-06-01T07:00Z', '2026-06-01T08:00Z'),
      ],
      '2026-06-01T14:00:00+02:00',
    ],
    [
      'after both of two in the wrong order',
      [span('2026-06-01T10:00Z', '2026-06-01T11:00Z'), span('2026-06-01T07:00Z', '2026-06-01T10:00Z')],
      '2026-06-01T13:00:00+02:00',
    ],
    [
      'on the quarter hour after what ends at any minute',
      [span('2026-06-01T07:00Z', '2026-06-01T08:01Z')],
      '2026-06-01T10:15:00+02:00',
    ],
    ['nowhere when all is taken', [span('2026-06-01T00:00Z', '2026-06-03T00:00Z')], undefined],
  ] as const)('is %s', (_what, busy, wanted) => {
    expect(first({ ...day, busy: [...busy] })).toBe(wanted)
  })

  it.each([
    ['Europe/Berlin', '2026-03-27T16:00Z', '2026-03-30T09:00:00+02:00'],
    ['Europe/Berlin', '2026-10-23T15:00Z', '2026-10-26T09:00:00+01:00'],
    ['America/New_York', '2026-03-06T22:00Z', '2026-03-09T09:00:00-04:00'],
    ['America/New_York', '2026-10-30T21:00Z', '2026-11-02T09:00:00-05:00'],
    ['Asia/Kathmandu', '2026-06-01T12:00Z', '2026-06-02T09:00:00+05:45'],
  ])('is at nine on the clock of %s after its change', (zone, from, wanted) => {
    expect(first({ zone, from, to: '2026-12-31T00:00Z' })).toBe(wanted)
  })

  it('does not count an hour that is skipped, and counts one that comes twice', () => {
    const hours: WorkingHours = { start: '01:00', end: '04:00', days: [7] }
    const longest = (from: string, to: string): number =>
      [60, 120, 180, 240].filter((minutes) => first({ from, to, minutes, hours }) !== undefined).at(-1)!
    expect(longest('2026-03-28T12:00Z', '2026-03-29T12:00Z')).toBe(120)
    expect(longest('2026-10-24T12:00Z', '2026-10-25T12:00Z')).toBe(240)
    expect(longest('2026-06-06T12:00Z', '2026-06-07T12:00Z')).toBe(180)
  })
})

describe('working hours', () => {
  it.each([
    { start: '9:00', end: '17:00' },
    { start: '17:00', end: '09:00' },
    { start: '09:00', end: '25:00' },
    { start: '09:00', end: '17:00', days: [0] },
    { start: '09:00', end: '17:00', days: [] },
  ])('are refused: %j', (hours) => {
    expect(WorkingHours.safeParse(hours).success).toBe(false)
  })
})
