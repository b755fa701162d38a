/** The public names of @keelson/connectors/calendar-file. */
export { calendarFile, type CalendarFileOptions } from './file.ts'
