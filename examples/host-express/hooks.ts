/** Hooks: what a payment provider delivers to each company: no login and no form, but a signature over the bytes. */
import { webhook } from '@keelson/connectors/webhook'
import { defineEvent, type Conductor } from '@keelson/core'
import { z } from 'zod'
import type { Handler } from './host.ts'

// #region hooks
export const paid = defineEvent({
  name: 'invoice.paid',
  schema: z.object({ invoice: z.string(), cents: z.int() }),
})

/** The host, and beside it the door of each company: `POST /hooks/acme`. */
export function withHooks(keelson: Conductor, secrets: ReadonlyMap<string, string>, otherwise: Handler): Handler {
  const receive = webhook({
    name: 'payments',
    event: paid,
    credentials: async ({ workspace }) => secrets.get(workspace),
  })
  return async (request) => {
    const [, company] = /^\/hooks\/([a-z0-9-]+)$/.exec(new URL(request.url).pathname) ?? []
    if (company === undefined) return otherwise(request)
    if (request.method !== 'POST' || !secrets.has(company)) return new Response(null, { status: 404 })
    const { status, code } = await receive(keelson.workspace(company), request).catch(noted)
    return Response.json({ code }, { status })
  }
}
// #endregion

/** It was not kept: the provider comes again. */
function noted(error: unknown): { status: 503; code: string } {
  console.error(error)
  return { status: 503, code: 'not-kept' }
}
