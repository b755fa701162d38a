/** Zone: clock faces and instants around the changes of 2026. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ianaZone, instantOf, isoIn, wallOf, zoneOf } from '../src/calendar/zone.ts'

const wall = (text: string): number => Date.parse(`${text}Z`)

describe('a clock face', () => {
  it.each([
    ['Europe/Berlin', '2026-03-29T01:59', '2026-03-29T00:59', 'the last minute of winter'],
    ['Europe/Berlin', '2026-03-29T02:30', '2026-03-29T01:30', 'an hour that is skipped: read with the offset before'],
    ['Europe/Berlin', '2026-03-29T03:00', '2026-03-29T01:00', 'the first minute of summer'],
    ['Europe/Berlin', '2026-10-25T01:59', '2026-10-24T23:59', 'before the hour that comes twice'],
    ['Europe/Berlin', '2026-10-25T02:30', '2026-10-25T00:30', 'an hour that comes twice: the first'],
    ['Europe/Berlin', '2026-10-25T03:00', '2026-10-25T02:00', 'after it'],
    ['America/New_York', '2026-03-08T02:30', '2026-03-08T07:30', 'skipped'],
    ['America/New_York', '2026-03-08T03:00', '2026-03-08T07:00', 'the first minute of summer'],
    ['America/New_York', '2026-11-01T01:30', '2026-11-01T05:30', 'twice: the first'],
    ['America/New_York', '2026-11-01T02:00', '2026-11-01T07:00', 'after it'],
    ['Asia/Kathmandu', '2026-06-01T12:00', '2026-06-01T06:15', 'a quarter of an hour off'],
    ['Australia/Lord_Howe', '2026-04-05T01:45', '2026-04-04T14:45', 'a change by half an hour, twice: the first'],
    ['UTC', '2026-06-01T12:00', '2026-06-01T12:00', 'no offset'],
  ])('in %s, %s is %sZ (%s)', (zone, face, instant) => {
    expect(new Date(instantOf(wall(face), zoneOf(zone))).toISOString().slice(0, 16)).toBe(instant)
  })

  it('comes back from every instant, but for the hour that comes twice', () => {
    const zones = ['Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Pacific/Auckland']
    const minute = fc.integer({ min: Date.UTC(2026, 0) / 60_000, max: Date.UTC(2027, 0) / 60_000 })
    fc.assert(
      fc.property(fc.constantFrom(...zones), minute, (id, minutes) => {
        const [zone, instant] = [zoneOf(id), minutes * 60_000]
        const back = instantOf(wallOf(instant, zone), zone)
        expect([instant, instant - 3_600_000]).toContain(back)
        expect(wallOf(back, zone)).toBe(wallOf(instant, zone))
      }),
      { seed: 2026, numRuns: 500 },
    )
  })

  it('is written with its offset', () => {
    expect(isoIn(Date.parse('2026-03-30T07:00Z'), zoneOf('Europe/Berlin'))).toBe('2026-03-30T09:00:00+02:00')
    expect(isoIn(Date.parse('2026-11-01T06:30Z'), zoneOf('America/New_York'))).toBe('2026-11-01T01:30:00-05:00')
    expect(isoIn(0, zoneOf('Asia/Kathmandu'))).toBe('1970-01-01T05:30:00+05:30')
  })

  it('is not guessed for a zone that is none', () => {
    expect(ianaZone('Mars/Olympus')).toBeUndefined()
    expect(() => zoneOf('W. Europe Standard Time')).toThrow('no time zone')
  })
})
