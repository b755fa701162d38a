/** Durations as a schema: what it takes is what `durationMs` takes, and nothing else. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { duration, durationMs } from './duration.ts'

const Every = duration(z)

describe('the schema of durations', () => {
  it.each(['90s', '10m', '1.5h', '14d', '0s', '100000d'])('takes %s as it is', (text) => {
    expect(Every.parse(text)).toBe(text)
    expect(durationMs(text)).toBeGreaterThanOrEqual(0)
  })

  it.each(['', '3', '3 days', '1h30m', '-1d', '1w', '3D', ' 3d', '3d ', '1e3s', '1234567890s', '100001d', '3ms', '∞d'])(
    'refuses %j as every option does',
    (text) => {
      expect(Every.safeParse(text).success).toBe(false)
      expect(() => durationMs(text)).toThrow(expect.objectContaining({ code: 'DURATION_INVALID' }))
    },
  )

  it('says how one is written, and takes no number', () => {
    expect(Every.safeParse('3 days').error!.issues).toMatchObject([{ message: expect.stringContaining("'90s'") }])
    expect(Every.safeParse('100001d').error!.issues).toMatchObject([
      { message: expect.stringContaining('100,000 days') },
    ])
    expect(Every.safeParse(3).success).toBe(false)
  })

  it('is a text with a pattern to a form', () => {
    expect(z.toJSONSchema(Every)).toMatchObject({ type: 'string', pattern: expect.stringContaining('smhd') })
  })
})
