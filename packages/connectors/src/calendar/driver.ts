/** Driver: what the calendar actions ask of one calendar, whatever keeps it. */
import type { Interval, WorkingHours } from './hours.ts'

/** An event to book. Times are ISO text with an offset or Z. */
export interface NewEvent {
  readonly start: string
  readonly end: string
  readonly title: string
  readonly description?: string | undefined
  readonly location?: string | undefined
  readonly attendees?: readonly string[] | undefined
}

export interface Booking {
  readonly eventId: string
  /** A mark of the event as *we* wrote it. Once somebody changes the event, it no longer fits. */
  readonly etag: string
}

/**
 * One calendar. Failures are `ActionError`s; a failure of a write after which nobody knows whether it happened has
 * class 'unknown' and is followed by `find`.
 */
export interface CalendarDriver {
  /** The operator's zone, for events without one and for working hours. The machine's, if left out. */
  readonly zone?: string | undefined
  readonly workingHours?: WorkingHours | undefined
  /** What is taken within a range. Intervals may overlap and reach out of the range. */
  busy(range: Interval, use: { zone: string; signal: AbortSignal }): Promise<readonly Interval[]>
  /**
   * Books under `uid`, exactly once: where an event of that uid is there, it is the one. Refuses with `final` where the
   * time is taken, unless `evenIfBusy`. Sends no invitations.
   */
  create(event: NewEvent, use: { uid: string; evenIfBusy: boolean; signal: AbortSignal }): Promise<Booking>
  /** The event that `create` made under `uid`, with the etag that `create` gave, even where it was changed since. */
  find(uid: string, event: NewEvent, use: { signal: AbortSignal }): Promise<Booking | undefined>
  /** Removes an event that is as we wrote it; does nothing where it is gone. Refuses with `final` where it was changed. */
  remove(booking: Booking, use: { signal: AbortSignal }): Promise<void>
}
