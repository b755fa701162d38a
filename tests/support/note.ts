/** Note: a reversible action that never reaches the world, and a playbook that asks for it: what the tests of trust climb with. */
import { action, defineConnector, definePlaybook } from '@keelson/core'
import { z } from 'zod'

export const note = action({
  name: 'crm.note',
  effect: 'reversible',
  input: z.object({ about: z.string() }),
  output: z.object({ id: z.string() }),
  undo: z.object({ id: z.string() }),
  run: () => Promise.reject(new Error('a test reached the real world')),
  compensate: () => {},
})
export const crm = defineConnector({ name: 'crm', actions: { note } })
export const write = definePlaybook({
  name: 'write',
  version: 1,
  input: z.object({ about: z.string() }),
  output: z.string(),
  run: async (ctx, { about }) => (await ctx.act(note, { about })).id,
})
