/** Express: the host under Express 5. */
import type { Server } from 'node:http'
import express from 'express'
import type { Handler } from './host.ts'

// #region express
export function withExpress(handle: Handler): express.Express {
  const app = express().disable('x-powered-by')
  app.use(express.raw({ type: () => true, limit: '2mb' }), async (req, res) => {
    const body: unknown = req.body
    const request = new Request(`${req.protocol}://${req.host}${req.originalUrl}`, {
      method: req.method,
      headers: new Headers(
        Object.entries(req.headersDistinct).flatMap(([name, all = []]) =>
          all.map((one): [string, string] => [name, one]),
        ),
      ),
      ...(body instanceof Uint8Array && req.method !== 'GET' && req.method !== 'HEAD' ? { body } : {}),
    })
    const response = await handle(request)
    res
      .status(response.status)
      .setHeaders(response.headers)
      .end(Buffer.from(await response.arrayBuffer()))
  })
  return app
}
// #endregion

export function serveExpress(handle: Handler, port: number): Server {
  return withExpress(handle).listen(port, '127.0.0.1')
}
