/** Recurrence: the rules of RFC 5545, by its own examples, against ical.js, and at their worst. */
import fc from 'fast-check'
import ICAL from 'ical.js'
import { describe, expect, it } from 'vitest'
import { instantsOf, wallTimeOf } from '../src/calendar-file/recurrence.ts'

const timeOf = (text: string): ICAL.Time =>
  ICAL.Time.fromData(
    {
      year: +text.slice(0, 4),
      month: +text.slice(4, 6),
      day: +text.slice(6, 8),
      hour: +text.slice(9, 11),
      minute: +text.slice(11, 13),
      second: +text.slice(13, 15),
      isDate: text.length === 8,
    },
    ICAL.Timezone.localTimezone,
  )

const face = (wall: number): string => new Date(wall).toISOString().slice(0, 16)

/** The first `most` wall times of a rule; no zone is involved. */
function expand(rule: string, start: string, most = 100, horizon = Date.UTC(2035, 0)): string[] {
  const found: string[] = []
  for (const { wall } of instantsOf(ICAL.Recur.fromString(rule), timeOf(start), (each) => each, horizon)) {
    if (found.push(face(wall)) >= most) break
  }
  return found
}

const days = (rule: string, start: string, most?: number): string[] =>
  expand(rule, start, most).map((text) => text.slice(0, 10))

describe('a rule', () => {
  it.each([
    ['FREQ=DAILY;COUNT=3', '19970902T090000', ['1997-09-02', '1997-09-03', '1997-09-04']],
    ['FREQ=DAILY;INTERVAL=10;COUNT=3', '19970902T090000', ['1997-09-02', '1997-09-12', '1997-09-22']],
    [
      'FREQ=WEEKLY;INTERVAL=2;COUNT=4;WKST=SU;BYDAY=TU,TH',
      '19970902T090000',
      ['1997-09-02', '1997-09-04', '1997-09-16', '1997-09-18'],
    ],
    [
      'FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO',
      '19970805T090000',
      ['1997-08-05', '1997-08-10', '1997-08-19', '1997-08-24'],
    ],
    [
      'FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU',
      '19970805T090000',
      ['1997-08-05', '1997-08-17', '1997-08-19', '1997-08-31'],
    ],
    ['FREQ=MONTHLY;COUNT=3;BYDAY=1FR', '19970905T090000', ['1997-09-05', '1997-10-03', '1997-11-07']],
    [
      'FREQ=MONTHLY;INTERVAL=2;COUNT=4;BYDAY=1SU,-1SU',
      '19970907T090000',
      ['1997-09-07', '1997-09-28', '1997-11-02', '1997-11-30'],
    ],
    ['FREQ=MONTHLY;COUNT=3;BYDAY=-2MO', '19970922T090000', ['1997-09-22', '1997-10-20', '1997-11-17']],
    ['FREQ=MONTHLY;COUNT=3;BYMONTHDAY=-3', '19970928T090000', ['1997-09-28', '1997-10-29', '1997-11-28']],
    [
      'FREQ=MONTHLY;COUNT=4;BYMONTHDAY=1,-1',
      '19970930T090000',
      ['1997-09-30', '1997-10-01', '1997-10-31', '1997-11-01'],
    ],
    ['FREQ=MONTHLY;COUNT=3', '20260131T090000', ['2026-01-31', '2026-03-31', '2026-05-31']],
    ['FREQ=YEARLY;COUNT=4;BYMONTH=6,7', '19970610T090000', ['1997-06-10', '1997-07-10', '1998-06-10', '1998-07-10']],
    [
      'FREQ=YEARLY;INTERVAL=3;COUNT=4;BYYEARDAY=1,100,200',
      '19970101T090000',
      ['1997-01-01', '1997-04-10', '1997-07-19', '2000-01-01'],
    ],
    ['FREQ=YEARLY;COUNT=3;BYDAY=20MO', '19970519T090000', ['1997-05-19', '1998-05-18', '1999-05-17']],
    ['FREQ=YEARLY;COUNT=3;BYWEEKNO=20;BYDAY=MO', '19970512T090000', ['1997-05-12', '1998-05-11', '1999-05-17']],
    ['FREQ=YEARLY;COUNT=3;BYMONTH=3;BYDAY=-1SU', '20260329T020000', ['2026-03-29', '2027-03-28', '2028-03-26']],
    ['FREQ=YEARLY;COUNT=2', '20240229T090000', ['2024-02-29', '2028-02-29']],
    ['FREQ=MONTHLY;COUNT=3;BYDAY=FR;BYMONTHDAY=13', '19980213T090000', ['1998-02-13', '1998-03-13', '1998-11-13']],
    ['FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3', '19970904T090000', ['1997-09-04', '1997-10-07', '1997-11-06']],
    [
      'FREQ=MONTHLY;COUNT=3;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2',
      '19970929T090000',
      ['1997-09-29', '1997-10-30', '1997-11-27'],
    ],
    ['FREQ=DAILY;UNTIL=19970904T090000', '19970902T090000', ['1997-09-02', '1997-09-03', '1997-09-04']],
    ['FREQ=DAILY;UNTIL=19970904', '19970902T090000', ['1997-09-02', '1997-09-03', '1997-09-04']],
    ['FREQ=DAILY;UNTIL=19970904T000000Z', '19970902T090000', ['1997-09-02', '1997-09-03']],
    ['FREQ=DAILY;UNTIL=19970904', '19970902', ['1997-09-02', '1997-09-03', '1997-09-04']],
  ])('%s from %s has its days', (rule, start, wanted) => {
    expect(days(rule, start)).toEqual(wanted)
  })

  it('has its times of day', () => {
    expect(expand('FREQ=HOURLY;INTERVAL=3;COUNT=3', '19970902T090000')).toEqual([
      '1997-09-02T09:00',
      '1997-09-02T12:00',
      '1997-09-02T15:00',
    ])
    expect(expand('FREQ=MINUTELY;INTERVAL=90;COUNT=3', '19970902T090000')).toEqual([
      '1997-09-02T09:00',
      '1997-09-02T10:30',
      '1997-09-02T12:00',
    ])
    expect(expand('FREQ=DAILY;BYHOUR=9,10;BYMINUTE=0,30;COUNT=5', '19970902T090000')).toEqual([
      '1997-09-02T09:00',
      '1997-09-02T09:30',
      '1997-09-02T10:00',
      '1997-09-02T10:30',
      '1997-09-03T09:00',
    ])
    expect(expand('FREQ=HOURLY;BYHOUR=9;COUNT=2', '19970902T091500')).toEqual(['1997-09-02T09:15', '1997-09-03T09:15'])
  })

  it.each([
    'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30',
    'FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30',
    'FREQ=DAILY;INTERVAL=7;BYDAY=TU',
    'FREQ=HOURLY;INTERVAL=24;BYHOUR=3',
    'FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=4',
    'FREQ=MONTHLY;BYDAY=6MO',
  ])('comes to an end although nothing fits it: %s', (rule) => {
    expect(expand(rule, '20260105T090000')).toEqual([])
  })

  it('is refused when it recurs too often to be gone through', () => {
    expect(() => expand('FREQ=SECONDLY', '20260105T090000', Infinity)).toThrow('too often')
    expect(() => expand('FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30', '20260105T090000')).toThrow('too often')
  })

  it('agrees with ical.js on rules that are sound', () => {
    const list = (values: readonly (number | string)[], name: string) =>
      fc
        .option(fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 3 }), { nil: undefined })
        .map((found) => found && `${name}=${found.join(',')}`)
    const weekdays = list(['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'], 'BYDAY')
    const rules = fc.oneof(
      fc.tuple(fc.constant('FREQ=DAILY'), list([1, 5, 12], 'BYMONTH')),
      fc.tuple(fc.constant('FREQ=WEEKLY'), weekdays, fc.constantFrom('WKST=MO', 'WKST=SU')),
      fc.tuple(fc.constant('FREQ=MONTHLY'), list(['1MO', '2TU', '-1FR', '3SU', '-2WE'], 'BYDAY')),
      fc.tuple(fc.constant('FREQ=MONTHLY'), list([1, 15, 28, -1, -5], 'BYMONTHDAY')),
      fc.tuple(fc.constant('FREQ=YEARLY'), list([1, 3, 10], 'BYMONTH')),
    )
    fc.assert(
      fc.property(rules, fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 27 }), (parts, interval, day) => {
        const rule = [...parts.filter((part) => part !== undefined), `INTERVAL=${interval}`].join(';')
        const start = `202601${String(day + 1).padStart(2, '0')}T090000`
        const first = wallTimeOf(timeOf(start))
        const iterator = ICAL.Recur.fromString(rule).iterator(timeOf(start))
        const theirs: string[] = []
        while (theirs.length < 20) {
          const next = iterator.next() as ICAL.Time | null
          if (!next || next.year > 2034) break
          theirs.push(face(wallTimeOf(next)))
        }
        const ours = expand(rule, start, theirs.length)
        // Where the start itself does not fit its rule, the standard leaves open whether it counts.
        const fitting = theirs.filter((each) => each !== face(first) || ours.includes(each))
        expect(ours.slice(0, fitting.length)).toEqual(fitting)
      }),
      { seed: 2026, numRuns: 400 },
    )
  })
})
