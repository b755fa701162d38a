/** The public names of @keelson/connectors/calendar. */
import { defineConnector, type ConnectorDefinition, type ConnectorUse } from '@keelson/core'
import { forUse, opened, type PerWorkspace } from '../connect/option.ts'
import { book, findTime, type Calendar } from './actions.ts'
import type { CalendarDriver } from './driver.ts'

export interface CalendarOptions {
  /** The calendar. A plain driver serves the workspace `default`; give a function for many. */
  readonly driver: PerWorkspace<CalendarDriver>
  /** What "now" is, in milliseconds. The conductor's clock, if left out. */
  readonly now?: () => number
}

/** A calendar behind a driver: `calendar.connect({ driver: calendarFile({ path }) })`. */
export const calendar: ConnectorDefinition<{ findTime: typeof findTime; book: typeof book }, CalendarOptions> =
  defineConnector({
    name: 'calendar',
    actions: { findTime, book },
    open: (options: CalendarOptions | undefined, use: ConnectorUse) =>
      opened((): Calendar => ({ driver: forUse(options?.driver, use, 'driver'), now: options?.now })),
  })

export type { Slot } from './actions.ts'
export type { Booking, CalendarDriver, NewEvent } from './driver.ts'
export type { Interval, WorkingHours } from './hours.ts'
export type { PerWorkspace } from '../connect/option.ts'
