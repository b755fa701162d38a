import { describe, expect, it } from 'vitest'
import { keptPlan } from './connection.ts'

describe('the plan of a query', () => {
  it('does not hang on its parameters', () => {
    const sql = 'select "a" from "t" where "b" = ? and "c" in (?, ?) order by "c" limit ?'
    expect(keptPlan(sql)).toBe('select "a" from "t" where "b" = +? and "c" in (+?, +?) order by "c" limit ? + 0')
  })

  it('is only kept where there is something to plan', () => {
    const sql = 'update "t" set "a" = ? where "b" = ?'
    expect(keptPlan(sql)).toBe(sql)
  })
})
