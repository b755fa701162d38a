/** Zones: what is one, and what finding out costs a process that starts. */
import { expect, it, vi } from 'vitest'
import { isZone } from './hours.ts'

it('tells a zone from what is none', () => {
  expect(['UTC', 'Europe/Berlin', 'Nowhere/Here', '', 3, undefined].map(isZone)).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
  ])
})

it('knows UTC without the tables of all zones, which a process that starts would wait for', () => {
  const format = vi.spyOn(Intl, 'DateTimeFormat')
  expect(isZone('UTC')).toBe(true)
  expect(format).not.toHaveBeenCalled()
  expect(isZone('Asia/Tokyo')).toBe(true)
  expect(format).toHaveBeenCalled()
  format.mockRestore()
})
