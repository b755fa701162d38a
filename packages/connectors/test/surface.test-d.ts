/** The types that playbooks rely on. */
import type { Action, Connector, Money } from '@keelson/core'
import { fake } from '@keelson/testing'
import { describe, expectTypeOf, it } from 'vitest'
import { billing } from '../src/billing/index.ts'
import { calendar, type Slot } from '../src/calendar/index.ts'
import { email } from '../src/email/index.ts'
import { files } from '../src/files/index.ts'

type In<A> = A extends Action<infer Input, any> ? Input : never
type Out<A> = A extends Action<any, infer Output> ? Output : never

declare const act: <Input, Output>(action: Action<Input, Output>, input: NoInfer<Input>) => Output

describe('the surface', () => {
  it('takes what its programs pass, and gives what they read', () => {
    expectTypeOf(act(email.send, { to: 'a', subject: 'b', text: 'c' }).messageId).toEqualTypeOf<string>()
    const slot = act(calendar.findTime, { minutes: 30, within: '5d' })
    expectTypeOf(slot).toEqualTypeOf<Slot | null>()
    if (slot)
      expectTypeOf(act(calendar.book, { ...slot, title: 'x' })).toEqualTypeOf<{ eventId: string; etag: string }>()
    const invoice = act(billing.invoice, { invoiceId: 'x' })
    expectTypeOf(invoice).toEqualTypeOf<{
      open: boolean
      amount: { amount: number; currency: string }
      email: string
    }>()
    const charged = act(billing.charge, { invoiceId: 'x', amount: invoice.amount })
    expectTypeOf(charged.status).toEqualTypeOf<'paid' | 'failed'>()
    expectTypeOf<In<typeof billing.charge>['amount']>().toExtend<Money>()
    expectTypeOf(act(files.write, { path: 'a', text: 'b' })).toEqualTypeOf<{
      path: string
      sha256: string
      size: number
    }>()
    expectTypeOf<Out<typeof files.read>>().toBeNullable()
  })

  it('does not take a slot that may be null, or a misspelt field', () => {
    const slot = act(calendar.findTime, { minutes: 30, within: '5d' })
    // @ts-expect-error the slot may be null
    act(calendar.book, { ...slot, title: 'x' })
    // @ts-expect-error misspelt
    act(email.send, { to: 'a', subject: 'b', txt: 'c' })
  })

  it('connects without options, so that a harness can fake it', () => {
    expectTypeOf([email.connect(), calendar.connect(), billing.connect(), files.connect()]).toEqualTypeOf<Connector[]>()
  })
  it('is faked with answers that are typed by what it calls its actions', () => {
    const slot: Slot = { start: '2026-01-05T10:00:00Z', end: '2026-01-05T11:00:00Z' }
    fake(files, { write: (input) => ({ path: input.path, sha256: '', size: 1 }) })
    fake(calendar, { findTime: ({ minutes }, { times }) => (minutes > times ? null : slot) })
    fake(calendar, { 'calendar.findTime': () => slot })
    fake(files.write, { 'files.write': () => ({}) })
    fake(files.write, (input, { times }) => ({ path: input.path, sha256: '', size: times }))
    // @ts-expect-error: sha256 is a text
    fake(files.write, () => ({ path: 'a', sha256: 1, size: 1 }))
    // @ts-expect-error: which of its actions?
    fake(files, () => ({ path: 'a', sha256: '', size: 1 }))
    // @ts-expect-error misspelt
    fake(calendar, { findTme: () => slot })
    // @ts-expect-error it does not fit
    fake(files, { write: () => ({ path: 'a', sha256: 1, size: 1 }) })
    // @ts-expect-error nothing that a connector brings is called so
    fake(files.write, { write: () => ({}) })
  })
})
