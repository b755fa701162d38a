/** Labels in words: each source once, and so few that the reason of a verdict stays one to read. */
import { expect, it } from 'vitest'
import { keptIn, labelsText } from './labels.ts'

it('name each source once, with all that it brought', () => {
  const twice = { untrusted: ['mail.read', 'memory mem_1', 'memory mem_1'], private: ['memory mem_1', 'crm.read'] }
  expect(labelsText(twice)).toBe('untrusted and private (memory mem_1), untrusted (mail.read) and private (crm.read)')
  expect(labelsText({ untrusted: ['mail.read'], private: ['crm.read'] })).toBe(
    'untrusted (mail.read) and private (crm.read)',
  )
  expect(labelsText({ private: ['crm.read'] })).toBe('private (crm.read)')
  expect(labelsText({})).toBe('')
})

it('name a few of many, and cut what is long', () => {
  const many = Array.from({ length: 8 }, (_, i) => `entity customer via invoice ${i}`)
  expect(labelsText({ private: many })).toBe(
    'private (entity customer via invoice 0, entity customer via invoice 1, entity customer via invoice 2 and others)',
  )
  expect(labelsText({ untrusted: [`files.read via ${'😀'.repeat(200)}`] }).length).toBeLessThan(120)
})

it('that come out of one place by several ways are kept once', () => {
  const from = { private: ['entity customer via customer 1', 'entity customer via customer 2', 'crm.read'] }
  expect(keptIn(from, 'invoice 7')).toEqual({ private: ['entity customer via invoice 7', 'crm.read via invoice 7'] })
})

it('leave out the way of what is named without one', () => {
  const way = ['the input of ticket via customer customer_1', 'the input of ticket']
  expect(labelsText({ untrusted: way, private: ['entity customer', 'entity customer via ticket ticket_1'] })).toBe(
    'untrusted (the input of ticket) and private (entity customer)',
  )
  expect(labelsText({ untrusted: ['mail.read'], private: ['mail.read via note 1'] })).toBe(
    'untrusted (mail.read) and private (mail.read via note 1)',
  )
})
