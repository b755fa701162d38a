/** Charge: a simulated action that never reaches the world: what the tests of shadow pairs propose and do. */
import { action } from '@keelson/core'
import { z } from 'zod'

export const charge = action({
  name: 'bank.charge',
  effect: 'reversible',
  idempotency: { by: 'key' },
  input: z.object({ invoice: z.string(), cents: z.int() }),
  output: z.object({ ok: z.boolean() }),
  undo: z.object({}),
  intent: ({ invoice }) => ['charge', invoice],
  material: ['cents'],
  simulate: () => ({ ok: true }),
  run: () => Promise.reject(new Error('a test reached the real world')),
  compensate: () => {},
})
