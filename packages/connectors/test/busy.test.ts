/** Busy: what the events of a calendar file take, over zones, recurrences and the changes of 2026. */
import { describe, expect, it } from 'vitest'
import { zoneOf } from '../src/calendar/zone.ts'
import { busyIn } from '../src/calendar-file/busy.ts'
import { BERLIN, event, ics, NEW_YORK_BY_OUTLOOK } from './ics.ts'

/** What is taken from one UTC day up to another, as 'start/end' in UTC. */
function busy(text: string, from: string, to: string, home = 'Europe/Berlin'): string[] {
  const range = { startAt: Date.parse(`${from}T00:00Z`), endAt: Date.parse(`${to}T00:00Z`) }
  const short = (at: number): string => new Date(at).toISOString().slice(0, 16)
  return busyIn(text, range, zoneOf(home))
    .map(({ startAt, endAt }) => `${short(startAt)}/${short(endAt)}`)
    .sort()
}

const weekly = (...more: string[]): string =>
  event(
    'UID:w',
    'DTSTART;TZID=Europe/Berlin:20261005T090000',
    'DTEND;TZID=Europe/Berlin:20261005T100000',
    'RRULE:FREQ=WEEKLY',
    ...more,
  )

describe('a single event', () => {
  it.each([
    ['in UTC', event('DTSTART:20260601T100000Z', 'DTEND:20260601T113000Z'), ['2026-06-01T10:00/2026-06-01T11:30']],
    ['with a duration', event('DTSTART:20260601T100000Z', 'DURATION:PT45M'), ['2026-06-01T10:00/2026-06-01T10:45']],
    [
      'in an IANA zone that the file does not define',
      event('DTSTART;TZID=America/New_York:20260601T100000', 'DURATION:PT1H'),
      ['2026-06-01T14:00/2026-06-01T15:00'],
    ],
    [
      'that floats: in the zone of the operator',
      event('DTSTART:20260601T100000', 'DURATION:PT1H'),
      ['2026-06-01T08:00/2026-06-01T09:00'],
    ],
    [
      'from one zone to another',
      event('DTSTART;TZID=Europe/Berlin:20260601T100000', 'DTEND;TZID=America/New_York:20260601T100000'),
      ['2026-06-01T08:00/2026-06-01T14:00'],
    ],
    ['all day', event('DTSTART;VALUE=DATE:20260602'), ['2026-06-01T22:00/2026-06-02T22:00']],
    [
      'for days',
      event('DTSTART;VALUE=DATE:20260602', 'DTEND;VALUE=DATE:20260604'),
      ['2026-06-01T22:00/2026-06-03T22:00'],
    ],
    [
      'that began before the range',
      event('DTSTART:20260530T100000Z', 'DTEND:20260601T010000Z'),
      ['2026-05-30T10:00/2026-06-01T01:00'],
    ],
    [
      'that is tentative',
      event('DTSTART:20260601T100000Z', 'DURATION:PT1H', 'STATUS:TENTATIVE'),
      ['2026-06-01T10:00/2026-06-01T11:00'],
    ],
    ['that is transparent', event('DTSTART:20260601T100000Z', 'DURATION:PT1H', 'TRANSP:TRANSPARENT'), []],
    ['that is cancelled', event('DTSTART:20260601T100000Z', 'DURATION:PT1H', 'STATUS:CANCELLED'), []],
    ['without an end', event('DTSTART:20260601T100000Z'), []],
    ['with an end before its start', event('DTSTART:20260601T100000Z', 'DTEND:20260601T090000Z'), []],
    ['without a start', event('SUMMARY:x'), []],
    ['on another day', event('DTSTART:20260605T100000Z', 'DURATION:PT1H'), []],
  ])('%s', (_what, component, wanted) => {
    expect(busy(ics(component), '2026-06-01', '2026-06-04')).toEqual(wanted)
  })

  it('that is all day lasts 23 hours when the clock goes forward, and 25 when it goes back', () => {
    expect(busy(ics(event('DTSTART;VALUE=DATE:20260329')), '2026-03-28', '2026-03-31')).toEqual([
      '2026-03-28T23:00/2026-03-29T22:00',
    ])
    expect(busy(ics(event('DTSTART;VALUE=DATE:20261025')), '2026-10-24', '2026-10-27')).toEqual([
      '2026-10-24T22:00/2026-10-25T23:00',
    ])
  })

  it.each([
    ['Europe/Berlin', '20260329T023000', '2026-03-29T01:30', BERLIN],
    ['Europe/Berlin', '20261025T023000', '2026-10-25T00:30', BERLIN],
    ['Europe/Berlin', '20261025T030000', '2026-10-25T02:00', BERLIN],
    ['Eastern Standard Time', '20260308T023000', '2026-03-08T07:30', NEW_YORK_BY_OUTLOOK],
    ['Eastern Standard Time', '20261101T013000', '2026-11-01T05:30', NEW_YORK_BY_OUTLOOK],
    ['Eastern Standard Time', '20261101T020000', '2026-11-01T07:00', NEW_YORK_BY_OUTLOOK],
  ])('in the zone %s of the file at %s is at %s', (tzid, start, instant, zone) => {
    const day = instant.slice(0, 10)
    const next = new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10)
    const text = ics(zone, event(`DTSTART;TZID=${tzid}:${start}`, 'DURATION:PT15M'))
    expect(busy(text, day, next).map((each) => each.slice(0, 16))).toEqual([instant])
  })

  it('of the file goes by the zone of the file, not by one of the same name', () => {
    const odd = BERLIN.replaceAll('+0100', '+0500').replaceAll('+0200', '+0500')
    const component = event('DTSTART;TZID=Europe/Berlin:20260601T100000', 'DURATION:PT1H')
    expect(busy(ics(odd, component), '2026-06-01', '2026-06-02')).toEqual(['2026-06-01T05:00/2026-06-01T06:00'])
    expect(busy(ics(component), '2026-06-01', '2026-06-02')).toEqual(['2026-06-01T08:00/2026-06-01T09:00'])
  })
})

describe('a recurring event', () => {
  it.each([
    ['as the file defines the zone', [BERLIN]],
    ['as the system knows it', []],
  ])('stays on the clock through a change, %s', (_how, zone) => {
    expect(busy(ics(...zone, weekly()), '2026-10-19', '2026-10-28')).toEqual([
      '2026-10-19T07:00/2026-10-19T08:00',
      '2026-10-26T08:00/2026-10-26T09:00',
    ])
  })

  it('skips what is excluded, named in its zone, in UTC, or as a day', () => {
    for (const exdate of [
      'EXDATE;TZID=Europe/Berlin:20261019T090000',
      'EXDATE:20261019T070000Z',
      'EXDATE;VALUE=DATE:20261019',
      'EXDATE:20261012T070000Z,20261019T070000Z',
    ]) {
      expect(busy(ics(weekly(exdate)), '2026-10-18', '2026-10-27')).toEqual(['2026-10-26T08:00/2026-10-26T09:00'])
    }
  })

  it('takes dates of its own, also with an end of their own', () => {
    const text = ics(
      event(
        'DTSTART:20260601T100000Z',
        'DURATION:PT1H',
        'RDATE:20260602T120000Z',
        'RDATE;VALUE=PERIOD:20260603T080000Z/PT2H',
      ),
    )
    expect(busy(text, '2026-06-01', '2026-06-05')).toEqual([
      '2026-06-01T10:00/2026-06-01T11:00',
      '2026-06-02T12:00/2026-06-02T13:00',
      '2026-06-03T08:00/2026-06-03T10:00',
    ])
  })

  it('ends with its count or its last instant', () => {
    const at = (rule: string): string =>
      ics(event('DTSTART;TZID=Europe/Berlin:20261023T090000', 'DURATION:PT1H', `RRULE:FREQ=DAILY;${rule}`))
    const three = ['2026-10-23T07:00', '2026-10-24T07:00', '2026-10-25T08:00']
    for (const rule of ['COUNT=3', 'UNTIL=20261025T080000Z', 'UNTIL=20261025']) {
      expect(busy(at(rule), '2026-10-20', '2026-11-20').map((each) => each.slice(0, 16))).toEqual(three)
    }
    expect(busy(at('UNTIL=20261025T075959Z'), '2026-10-20', '2026-11-20')).toHaveLength(2)
  })

  it('is where an occurrence was moved to, and no longer where it was', () => {
    const moved = event(
      'UID:w',
      'RECURRENCE-ID;TZID=Europe/Berlin:20261019T090000',
      'DTSTART;TZID=Europe/Berlin:20261020T140000',
      'DURATION:PT30M',
    )
    expect(busy(ics(weekly(), moved), '2026-10-18', '2026-10-22')).toEqual(['2026-10-20T12:00/2026-10-20T12:30'])
  })

  it('finds an occurrence that was moved into the range from far away', () => {
    const moved = event('UID:w', 'RECURRENCE-ID:20270104T080000Z', 'DTSTART:20261021T120000Z', 'DURATION:PT30M')
    expect(busy(ics(weekly(), moved), '2026-10-20', '2026-10-22')).toEqual(['2026-10-21T12:00/2026-10-21T12:30'])
  })

  it('is free where an occurrence was cancelled', () => {
    const off = event(
      'UID:w',
      'RECURRENCE-ID:20261019T070000Z',
      'DTSTART:20261019T070000Z',
      'DURATION:PT1H',
      'STATUS:CANCELLED',
    )
    expect(busy(ics(weekly(), off), '2026-10-18', '2026-10-22')).toEqual([])
  })

  it('is not changed by an occurrence of another event', () => {
    const other = event(
      'UID:x',
      'RECURRENCE-ID:20261019T070000Z',
      'DTSTART:20261020T070000Z',
      'DURATION:PT1H',
      'STATUS:CANCELLED',
    )
    expect(busy(ics(weekly(), other), '2026-10-18', '2026-10-22')).toHaveLength(1)
  })

  it('moves with a change for all the future, over a change of the clock', () => {
    const change = event(
      'UID:w',
      'RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Berlin:20261019T090000',
      'DTSTART;TZID=Europe/Berlin:20261020T140000',
      'DURATION:PT30M',
    )
    expect(busy(ics(weekly(), change), '2026-10-11', '2026-11-05')).toEqual([
      '2026-10-12T07:00/2026-10-12T08:00',
      '2026-10-20T12:00/2026-10-20T12:30',
      '2026-10-27T13:00/2026-10-27T13:30',
      '2026-11-03T13:00/2026-11-03T13:30',
    ])
  })

  it('is free from where all the future was cancelled', () => {
    const off = event(
      'UID:w',
      'RECURRENCE-ID;RANGE=THISANDFUTURE:20261019T070000Z',
      'DTSTART:20261019T070000Z',
      'DURATION:PT1H',
      'STATUS:CANCELLED',
    )
    expect(busy(ics(weekly(), off), '2026-10-11', '2026-11-05')).toEqual(['2026-10-12T07:00/2026-10-12T08:00'])
  })

  it('is brought forward into the range by a change for all the future', () => {
    const change = event(
      'UID:w',
      'RECURRENCE-ID;RANGE=THISANDFUTURE:20261019T070000Z',
      'DTSTART:20261014T070000Z',
      'DURATION:PT1H',
    )
    expect(busy(ics(weekly(), change), '2026-10-20', '2026-10-22')).toEqual(['2026-10-21T07:00/2026-10-21T08:00'])
  })

  it('keeps its exact length through a change, and whole days by the calendar', () => {
    const night = event(
      'DTSTART;TZID=Europe/Berlin:20261023T220000',
      'DTEND;TZID=Europe/Berlin:20261024T060000',
      'RRULE:FREQ=DAILY;COUNT=2',
    )
    expect(busy(ics(night), '2026-10-24', '2026-10-26')).toContain('2026-10-24T20:00/2026-10-25T04:00')
    const day = event('DTSTART;TZID=Europe/Berlin:20261023T090000', 'DURATION:P1D', 'RRULE:FREQ=DAILY;COUNT=2')
    expect(busy(ics(day), '2026-10-24', '2026-10-26')).toContain('2026-10-24T07:00/2026-10-25T08:00')
  })

  it('that is all day recurs by days', () => {
    const text = ics(event('DTSTART;VALUE=DATE:20261024', 'RRULE:FREQ=DAILY;COUNT=3', 'EXDATE;VALUE=DATE:20261025'))
    expect(busy(text, '2026-10-23', '2026-10-30')).toEqual([
      '2026-10-23T22:00/2026-10-24T22:00',
      '2026-10-25T23:00/2026-10-26T23:00',
    ])
  })
})

describe('a calendar that is not understood', () => {
  it.each([
    ['with a zone that nobody knows', ics(event('DTSTART;TZID=Nowhere:20260601T100000', 'DURATION:PT1H')), 'Nowhere'],
    ['that was cut off', ics(event('DTSTART:20260601T100000Z')).slice(0, -30), 'whole calendar'],
    ['that is empty', '', 'whole calendar'],
    ['that is something else', 'BEGIN:VCARD\r\nVERSION:4.0\r\nFN:x\r\nEND:VCARD\r\n', 'whole calendar'],
    [
      'that recurs every second',
      ics(event('DTSTART:20200601T100000Z', 'DURATION:PT1S', 'RRULE:FREQ=SECONDLY')),
      'too often',
    ],
    [
      'with a zone without rules',
      ics('BEGIN:VTIMEZONE\nTZID:Empty\nEND:VTIMEZONE', event('DTSTART;TZID=Empty:20260601T100000')),
      'no rules',
    ],
  ])('is an error, never free time: %s', (_what, text, why) => {
    expect(() => busy(text, '2026-06-01', '2026-06-02')).toThrow(why)
  })

  it('may begin with a byte order mark, end its lines with LF alone, and hold several calendars', () => {
    const one = ics(event('DTSTART:20260601T100000Z', 'DURATION:PT1H'))
    const two = ics(event('DTSTART:20260601T120000Z', 'DURATION:PT1H'))
    for (const text of [`\uFEFF${one}`, one.replaceAll('\r\n', '\n'), one + two]) {
      expect(busy(text, '2026-06-01', '2026-06-02')).toContain('2026-06-01T10:00/2026-06-01T11:00')
    }
    expect(busy(one + two, '2026-06-01', '2026-06-02')).toHaveLength(2)
  })
})
