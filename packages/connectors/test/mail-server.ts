/** A mail server on loopback that fails as it is told to, and keeps what it took. */
import { mkdirSync, writeFileSync } from 'node:fs'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { onTestFinished } from 'vitest'
import { folder } from './call.ts'

export interface Taken {
  readonly raw: string
  readonly to: readonly string[]
}

export interface Faults {
  /** Answers a recipient with this instead of taking it. */
  recipient?: (address: string, attempt: number) => { code: number; text: string } | undefined
  /** What happens to the connection when data comes: cut before the mail is whole, or after it was taken. */
  data?: 'drop-before-dot' | 'drop-after-dot' | 'silent' | { code: number; text: string }
  /** Answers a login with this. */
  login?: (user: string, pass: string) => { code: number; text: string } | undefined
  requireLogin?: boolean
}

export async function mailServer(faults: Faults = {}) {
  const taken: Taken[] = []
  const box = folder()
  mkdirSync(join(box, 'new'))
  const attempts = new Map<string, number>()
  const heard: string[] = []
  let waiting = (): void => undefined
  const dataArrived = new Promise<void>((resolve) => (waiting = resolve))
  const server = new SMTPServer({
    authOptional: faults.requireLogin !== true,
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    logger: false,
    onAuth(auth, _session, done) {
      heard.push(`${auth.username}:${auth.password}`)
      const refused = faults.login?.(auth.username ?? '', auth.password ?? '')
      if (refused === undefined) return done(null, { user: auth.username })
      done(answer(refused.code, refused.text))
    },
    onRcptTo({ address }, _session, done) {
      const attempt = (attempts.get(address) ?? 0) + 1
      attempts.set(address, attempt)
      const refused = faults.recipient?.(address, attempt)
      done(refused && answer(refused.code, refused.text))
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = []
      const to = session.envelope.rcptTo.map(({ address }) => address)
      const drop = (): void =>
        server.connections.forEach((each) => (each as unknown as { _socket: Socket })._socket.destroy())
      waiting()
      if (faults.data === 'drop-before-dot') return drop()
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        if (faults.data === 'silent') return
        if (typeof faults.data === 'object') return done(answer(faults.data.code, faults.data.text))
        const raw = Buffer.concat(chunks).toString('utf8')
        taken.push({ raw, to })
        writeFileSync(join(box, 'new', `${taken.length}.mail`), raw)
        if (faults.data === 'drop-after-dot') return drop()
        done()
      })
    },
  } satisfies SMTPServerOptions)
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo
  const close = (): Promise<void> => {
    server.connections.forEach((each) => (each as unknown as { _socket: Socket })._socket.destroy())
    return new Promise((resolve) => server.close(resolve))
  }
  onTestFinished(close)
  return { port, taken, heard, box, close, faults, dataArrived }
}

function answer(code: number, text: string): Error {
  return Object.assign(new Error(text), { responseCode: code })
}
