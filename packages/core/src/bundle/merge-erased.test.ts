import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineEntity, entityTypeOf, type EntityRecord } from '../memory/entity.ts'
import { broughtOf } from './merge-erased.ts'

const Customer = defineEntity({
  ...{ name: 'customer', version: 2 },
  schema: z.object({ called: z.string(), owes: z.number(), note: z.string().optional() }),
  upcast: { 2: (old) => old },
})
const record: EntityRecord = {
  ...{ type: 'customer', schema: 2, id: 'c1', data: {}, indexed: {}, createdAt: 1, at: 1, validAt: 1 },
  erased: [{ at: 1, by: 'person ana', reason: 'asked', fields: ['name', 'debts'], hash: '' }],
}

describe('what a record of a bundle says', () => {
  it('is nothing in what looks like blanks where an earlier release left the old names of what was erased', () => {
    const data = { called: '[erased]', owes: 0, note: 'tall' }
    expect(broughtOf(entityTypeOf(Customer), { ...record, data })).toEqual({
      data,
      blanks: new Set(['called', 'owes']),
    })
  })

  it('is all that it was given since where the names are those of today', () => {
    const erased = [{ ...record.erased![0]!, fields: ['called', 'note'] }]
    const data = { called: 'Ada', owes: 0 }
    expect(broughtOf(entityTypeOf(Customer), { ...record, data, erased })).toEqual({ data, blanks: new Set() })
  })
})
