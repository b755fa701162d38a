/** PostOffice: an SMTP server on loopback that files what it takes. It is the world: what it has accepted has been sent. */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { SMTPServer } from 'smtp-server'
import type { Login } from './company.ts'

export interface Accepted {
  readonly to: readonly string[]
  readonly messageId: string
  readonly raw: Buffer
}

export interface PostOffice {
  readonly port: number
  /** Every mail that was accepted, in order. */
  readonly accepted: readonly Accepted[]
  /** Called once, when the next mail has been accepted and filed and the answer is about to leave. */
  onNext(listener: () => void): void
  close(): Promise<void>
}

export async function openPostOffice(sent: string, login: Login): Promise<PostOffice> {
  const accepted: Accepted[] = []
  let listener = (): void => undefined
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS'],
    allowInsecureAuth: true,
    logger: false,
    onAuth({ username, password }, _session, done) {
      if (username === login.user && password === login.pass) return done(null, { user: username })
      done(Object.assign(new Error('who are you?'), { responseCode: 535 }))
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        const raw = Buffer.concat(chunks)
        const messageId = /^message-id:\s*(<[^>]+>)/im.exec(raw.toString('latin1'))?.[1] ?? ''
        accepted.push({ raw, messageId, to: session.envelope.rcptTo.map(({ address }) => address) })
        file(join(sent, `${accepted.length}.eml`), raw)
        const told = listener
        listener = () => undefined
        told()
        done(null, 'OK: accepted')
      })
    },
  })
  // A client that dies in the middle is none of the server's business.
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.server.address() as AddressInfo).port,
    accepted,
    onNext: (told) => void (listener = told),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** Filed for good before anybody is told. */
function file(path: string, raw: Buffer): void {
  const handle = openSync(`${path}.new`, 'wx')
  writeSync(handle, raw)
  fsyncSync(handle)
  closeSync(handle)
  renameSync(`${path}.new`, path)
}
