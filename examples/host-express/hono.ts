/** Hono: the same host under Hono 4, on Node's server. */
import { createServer, type Server } from 'node:http'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Handler } from './host.ts'

// #region hono
export function withHono(handle: Handler): Hono {
  const app = new Hono()
  app.use(bodyLimit({ maxSize: 2 * 1024 * 1024 }))
  app.all('*', ({ req }) => handle(req.raw))
  return app
}
// #endregion

export function serveHono(handle: Handler, port: number): Server {
  return serve({ fetch: withHono(handle).fetch, port, hostname: '127.0.0.1', createServer }) as Server
}
