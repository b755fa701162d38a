/** Calendar: finding, booking and taking back in a calendar file that is not ours alone. */
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { definitionOf } from '@keelson/core/ports'
import ICAL from 'ical.js'
import { describe, expect, it } from 'vitest'
import { calendar } from '../src/calendar/index.ts'
import { calendarFile, type CalendarFileOptions } from '../src/calendar-file/index.ts'
import { compensate, configOf, failureOf, folder, reconcile, run } from './call.ts'
import { start } from './child.ts'
import { BERLIN, event, ics } from './ics.ts'

/** A Monday, two in the morning in Berlin. */
const NOW = Date.parse('2026-06-01T00:00Z')
const kickoff = { start: '2026-06-01T10:00:00+02:00', end: '2026-06-01T10:30:00+02:00', title: 'Kickoff Ada' }

function setUp(text = ics(BERLIN), more: Partial<CalendarFileOptions> = {}) {
  const path = join(folder(), 'work.ics')
  writeFileSync(path, text)
  const config = configOf(
    calendar.connect({ driver: calendarFile({ path, zone: 'Europe/Berlin', ...more }), now: () => NOW }),
  )
  return { path, config, read: () => readFileSync(path, 'utf8'), write: (next: string) => writeFileSync(path, next) }
}

describe('calendar.findTime', () => {
  it('finds the first time in working hours that nothing takes', async () => {
    const { config } = setUp(ics(event('DTSTART:20260601T070000Z', 'DTEND:20260601T083000Z')))
    const { output } = await run(calendar.findTime, { minutes: 30, within: '5d' }, { config })
    expect(output).toEqual({ start: '2026-06-01T10:30:00+02:00', end: '2026-06-01T11:00:00+02:00' })
  })

  it('finds nothing in a week that is full', async () => {
    const { config } = setUp(ics(event('DTSTART;VALUE=DATE:20260601', 'DTEND;VALUE=DATE:20260608')))
    expect((await run(calendar.findTime, { minutes: 30, within: '5d' }, { config })).output).toBeNull()
  })

  it('goes by the hours, zone and beginning that it is given', async () => {
    const { config } = setUp(ics(), { workingHours: { start: '13:00', end: '14:00' } })
    const at = async (more: object) =>
      (await run(calendar.findTime, { minutes: 60, within: '5d', ...more }, { config })).output?.start
    expect(await at({})).toBe('2026-06-01T13:00:00+02:00')
    expect(await at({ workingHours: { start: '08:00', end: '09:00' } })).toBe('2026-06-01T08:00:00+02:00')
    expect(await at({ zone: 'America/New_York' })).toBe('2026-06-01T13:00:00-04:00')
    expect(await at({ from: '2026-06-02T12:00:00Z' })).toBe('2026-06-03T13:00:00+02:00')
    expect(await at({ minutes: 61 })).toBeUndefined()
  })

  it.each([{ minutes: 0 }, { within: '5' }, { within: '5w' }, { zone: 'Nowhere' }, { from: 'today' }])(
    'refuses %j',
    (more) => {
      expect(definitionOf(calendar.findTime).input.safeParse({ minutes: 30, within: '5d', ...more }).success).toBe(
        false,
      )
    },
  )

  it('finds nothing free in a calendar that is missing: it says so', async () => {
    const { path, config } = setUp()
    unlinkSync(path)
    expect(
      (await failureOf(calendar.findTime, run(calendar.findTime, { minutes: 30, within: '5d' }, { config }))).class,
    ).toBe('final')
  })
})

describe('calendar.book', () => {
  it('books what findTime found, and then finds the next', async () => {
    const { config, read } = setUp()
    const find = async () => (await run(calendar.findTime, { minutes: 30, within: '5d' }, { config })).output
    const slot = await find()
    const { output } = await run(calendar.book, { ...slot, title: 'Kickoff' }, { config })
    expect(output).toEqual({ eventId: expect.stringMatching(/@keelson$/), etag: expect.any(String) })
    const made = new ICAL.Event(new ICAL.Component(ICAL.parse(read())).getFirstSubcomponent('vevent')!)
    expect([made.summary, made.startDate.toJSDate().toISOString()]).toEqual(['Kickoff', '2026-06-01T07:00:00.000Z'])
    expect((await find()).start).toBe('2026-06-01T09:30:00+02:00')
  })

  it('leaves every other byte as it was, whatever it is', async () => {
    const odd = ics(
      BERLIN,
      'X-WR-CALNAME:Büro  \n  continued',
      event('DTSTART:20260101T000000Z', `SUMMARY:${'ü'.repeat(60)}`),
      'BEGIN:X-UNKNOWN\nx-thing;A=1:2\nEND:X-UNKNOWN',
    )
    for (const before of [odd, odd.replaceAll('\r\n', '\n'), `\uFEFF${odd}`, odd.trimEnd()]) {
      const { config, read } = setUp(before)
      const { undo } = await run(calendar.book, kickoff, { config })
      expect(/\r/.test(read())).toBe(/\r/.test(before))
      const at = read().indexOf('BEGIN:VEVENT', read().indexOf('END:X-UNKNOWN'))
      expect(
        read().slice(0, at) +
          read()
            .slice(read().lastIndexOf('END:VEVENT'))
            .replace(/^END:VEVENT\r?\n/, ''),
      ).toBe(before)
      await compensate(calendar.book, undo, { config })
      expect(read()).toBe(before)
    }
  })

  it('is one event when it is tried again, with the same undo token', async () => {
    const { config, read } = setUp()
    const first = await run(calendar.book, kickoff, { config })
    const text = read()
    expect(await run(calendar.book, kickoff, { config, attempt: 2 })).toEqual(first)
    expect(read()).toBe(text)
    expect(await reconcile(calendar.book, kickoff, { config })).toEqual({ state: 'done', ...first })
    expect(await reconcile(calendar.book, kickoff, { config, key: 'other' })).toEqual({ state: 'not-found' })
  })

  it('refuses a time that was taken meanwhile, unless it is told to book all the same', async () => {
    const { config, write, read } = setUp()
    const taken = ics(event('DTSTART:20260601T081500Z', 'DTEND:20260601T090000Z'))
    write(taken)
    const failure = await failureOf(calendar.book, run(calendar.book, kickoff, { config }))
    expect(failure).toMatchObject({ class: 'final', message: expect.stringContaining('no longer free') })
    expect(read()).toBe(taken)
    await run(calendar.book, { ...kickoff, evenIfBusy: true }, { config })
    expect(read()).not.toBe(taken)
  })

  it('books next to what ends or begins at the same instant', async () => {
    const { config } = setUp(
      ics(
        event('UID:1', 'DTSTART:20260601T070000Z', 'DTEND:20260601T080000Z'),
        event('UID:2', 'DTSTART:20260601T083000Z', 'DTEND:20260601T090000Z'),
      ),
    )
    await run(calendar.book, kickoff, { config })
  })

  it('cannot be made to write more than one event', async () => {
    const { config, read } = setUp()
    const title = 'a;b,c\\d'
    const description = `x\r\nEND:VEVENT\nBEGIN:VEVENT\rUID:evil${'ü😀'.repeat(100)}`
    await run(
      calendar.book,
      { ...kickoff, title, description, location: 'L', attendees: ['ada@example.test'] },
      { config },
    )
    const events = new ICAL.Component(ICAL.parse(read())).getAllSubcomponents('vevent')
    expect(events).toHaveLength(1)
    const made = new ICAL.Event(events[0])
    expect([made.summary, made.description, made.location]).toEqual([
      title,
      description.replaceAll(/\r\n|\r/g, '\n'),
      'L',
    ])
    for (const line of read().split('\r\n')) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(75)
    expect(definitionOf(calendar.book).input.safeParse({ ...kickoff, title: 'a\r\nb' }).success).toBe(false)
  })

  it.each([
    ['that ends before it starts', { end: '2026-06-01T09:00:00+02:00' }],
    ['without an offset', { start: '2026-06-01T10:00:00' }],
    ['of a month and more', { end: '2026-07-03T10:00:00+02:00' }],
    ['of another shape', { attendee: 'a@b.test' }],
  ])('refuses an event %s', (_what, more) => {
    expect(definitionOf(calendar.book).input.safeParse({ ...kickoff, ...more }).success).toBe(false)
  })

  it.each([
    ['that is not there', undefined],
    ['that is no calendar', 'hello'],
    ['that was cut off', ics(BERLIN).slice(0, -20)],
    ['that is not UTF-8', Buffer.concat([Buffer.from(ics()), Buffer.from([0xff])])],
  ])('does not touch a file %s', async (_what, bytes) => {
    const { path, config } = setUp()
    if (bytes === undefined) unlinkSync(path)
    else writeFileSync(path, bytes)
    expect(
      (await failureOf(calendar.book, run(calendar.book, { ...kickoff, evenIfBusy: true }, { config }))).class,
    ).toBe('final')
    expect(existsSync(path) ? readFileSync(path) : undefined).toEqual(
      bytes === undefined ? undefined : Buffer.from(bytes),
    )
    expect(readdirSync(join(path, '..'))).toEqual(bytes === undefined ? [] : ['work.ics'])
  })

  it('does not overwrite what another program wrote meanwhile', async () => {
    const { path } = setUp()
    const theirs = ics(event('DTSTART:20260101T000000Z', 'SUMMARY:theirs'))
    let armed = false
    const options: CalendarFileOptions = {
      path,
      // Read between loading the file and replacing it.
      get zone() {
        if (armed) writeFileSync(path, theirs)
        armed = false
        return 'UTC'
      },
    }
    const driver = calendarFile(options)
    const config = configOf(calendar.connect({ driver }))
    armed = true
    expect((await failureOf(calendar.book, run(calendar.book, kickoff, { config }))).class).toBe('retry')
    expect(readFileSync(path, 'utf8')).toBe(theirs)
    await run(calendar.book, kickoff, { config, attempt: 2 })
    expect(readFileSync(path, 'utf8')).toContain('SUMMARY:theirs')
    expect(readdirSync(join(path, '..'))).toEqual(['work.ics'])
  })

  it('makes a calendar where it is told to', async () => {
    const path = join(folder(), 'new', 'work.ics')
    const config = configOf(
      calendar.connect({ driver: calendarFile({ path, zone: 'UTC', create: true }), now: () => NOW }),
    )
    expect((await run(calendar.findTime, { minutes: 30, within: '1d' }, { config })).output.start).toBe(
      '2026-06-01T09:00:00+00:00',
    )
    await run(calendar.book, kickoff, { config })
    expect(new ICAL.Component(ICAL.parse(readFileSync(path, 'utf8'))).getAllSubcomponents('vevent')).toHaveLength(1)
  })

  it('keeps the permissions of the file, and a link a link', async () => {
    const { path } = setUp()
    chmodSync(path, 0o640)
    const link = join(folder(), 'link.ics')
    symlinkSync(path, link)
    const config = configOf(calendar.connect({ driver: calendarFile({ path: link, zone: 'Europe/Berlin' }) }))
    await run(calendar.book, kickoff, { config })
    expect(readFileSync(path, 'utf8')).toContain('Kickoff Ada')
    expect(statSync(path).mode & 0o777).toBe(0o640)
    expect(readdirSync(join(path, '..'))).toEqual(['work.ics'])
  })
})

describe('an undo of calendar.book', () => {
  it('does nothing when the event is gone', async () => {
    const { config, read } = setUp()
    const { undo } = await run(calendar.book, kickoff, { config })
    await compensate(calendar.book, undo, { config })
    const text = read()
    await compensate(calendar.book, undo, { config })
    expect(read()).toBe(text)
  })

  it('refuses when somebody changed the event, and when somebody changed an occurrence of it', async () => {
    const { config, read, write } = setUp()
    const { output, undo } = await run(calendar.book, kickoff, { config })
    const booked = read()
    const moved = booked.replace('SUMMARY:Kickoff Ada', 'SUMMARY:Kickoff Ada, moved')
    const overridden = booked.replace(
      'END:VCALENDAR',
      `${event(`UID:${output.eventId}`, 'RECURRENCE-ID:20260601T080000Z')}\r\nEND:VCALENDAR`,
    )
    for (const changed of [moved, overridden]) {
      write(changed)
      const failure = await failureOf(calendar.book, compensate(calendar.book, undo, { config }))
      expect(failure).toMatchObject({ class: 'final', message: expect.stringContaining('changed since') })
      expect(read()).toBe(changed)
    }
  })

  it('refuses after a second try that found a changed event', async () => {
    const { config, read, write } = setUp()
    await run(calendar.book, kickoff, { config })
    write(read().replace('SUMMARY:Kickoff Ada', 'SUMMARY:Mine'))
    const { undo } = await run(calendar.book, kickoff, { config, attempt: 2 })
    expect((await failureOf(calendar.book, compensate(calendar.book, undo, { config }))).class).toBe('final')
  })

  it('takes an event that a program only wrapped anew', async () => {
    const { config, read, write } = setUp()
    const { undo } = await run(calendar.book, kickoff, { config })
    write(read().replace('SUMMARY:Kickoff Ada', 'SUMMARY:Kick\r\n off Ada').replaceAll('\r\n', '\n'))
    await compensate(calendar.book, undo, { config })
    expect(read()).not.toContain('BEGIN:VEVENT')
  })

  it('is not misled by the id of an alarm', async () => {
    const { config, read, write } = setUp()
    const { output, undo } = await run(calendar.book, kickoff, { config })
    const alarm = `BEGIN:VALARM\r\nUID:${output.eventId}\r\nTRIGGER:-PT5M\r\nEND:VALARM`
    write(read().replace('END:VCALENDAR', `${event(alarm, 'UID:other', 'DTSTART:20260101T000000Z')}\r\nEND:VCALENDAR`))
    await compensate(calendar.book, undo, { config })
    expect(read()).toContain('UID:other')
    expect(read()).not.toContain('Kickoff')
  })
})

describe('two processes', () => {
  it('that book at once lose no booking', async () => {
    const { path, read } = setUp()
    const names = ['ann', 'bob', 'cid']
    const outcomes = await Promise.all(names.map((name) => start('booker.ts', path, name, '15').lines))
    expect(outcomes.flat()).toEqual(Array.from({ length: 45 }, () => 'booked'))
    const events = new ICAL.Component(ICAL.parse(read())).getAllSubcomponents('vevent')
    const titles = events.map((each) => each.getFirstPropertyValue('summary') as string)
    const wanted = names.flatMap((name) => Array.from({ length: 15 }, (_, i) => `${name} ${i}`))
    expect(titles.sort()).toEqual(wanted.sort())
    expect(readdirSync(join(path, '..'))).toEqual(['work.ics'])
  })

  it('that want the same hour do not both get it', async () => {
    const { path, read } = setUp()
    const same = (name: string) => start('booker.ts', path, name, '1', '2026-06-01T10:00:00Z').lines
    const outcomes = await Promise.all([same('ann'), same('bob'), same('cid')])
    expect(outcomes.flat().sort()).toEqual(['booked', 'final', 'final'])
    expect(read().match(/BEGIN:VEVENT/g)).toHaveLength(1)
  })
})

describe('calendar.connect', () => {
  it('says what is missing when an action is tried', async () => {
    const input = { minutes: 30, within: '5d' }
    const none = configOf(calendar.connect())
    expect((await failureOf(calendar.findTime, run(calendar.findTime, input, { config: none }))).message).toContain(
      'driver',
    )
    expect((await failureOf(calendar.findTime, run(calendar.findTime, input, {}))).message).toContain(
      'calendar.connect',
    )
    const { path } = setUp()
    const shared = configOf(calendar.connect({ driver: calendarFile({ path }) }), { workspace: 'acme' })
    expect((await failureOf(calendar.findTime, run(calendar.findTime, input, { config: shared }))).message).toContain(
      'workspace',
    )
  })
})
