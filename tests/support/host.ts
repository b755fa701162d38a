/** The example host, served on loopback with a mail server of its own, and Debian's Chromium to look at it. */
import { once } from 'node:events'
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'
import type { Conductor, MayDecide } from '@keelson/core'
import { openPostOffice } from '../../examples/demo/post-office.ts'
import { openCompanies } from '../../examples/host-express/company.ts'
import { hostOf, type Handler } from '../../examples/host-express/host.ts'
import type { User } from '../../examples/host-express/sessions.ts'

export const PASSWORD = 'a password of the tests'

export const USERS: readonly User[] = [
  { id: 'ann', name: 'Ann', company: 'acme', decides: true, password: PASSWORD },
  { id: 'abe', name: 'Abe', company: 'acme', decides: false, password: PASSWORD },
  { id: 'gil', name: 'Gil', company: 'globex', decides: true, password: PASSWORD },
]

export interface ServedHost {
  readonly url: string
  readonly keelson: Conductor
  /** The mails that were taken for this address, as text. */
  mailsTo(address: string): string[]
  close(): Promise<void>
}

export async function serveHost(serve: (handle: Handler, port: number) => Server): Promise<ServedHost> {
  const folder = mkdtempSync(join(tmpdir(), 'keelson-host-test-'))
  const sent = join(folder, 'sent')
  mkdirSync(sent)
  const login = { user: 'app', pass: 'of the tests' }
  const office = await openPostOffice(sent, login)
  const mayDecide: MayDecide = (actor) => USERS.some(({ id, decides }) => id === actor.id && decides)
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const keelson = await openCompanies(folder, { port: office.port, login, sent }, { mayDecide, log })
  const server = serve(hostOf(keelson, USERS), 0)
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keelson,
    mailsTo: (address) =>
      office.accepted.flatMap(({ to, raw }) => (to.includes(address) ? [raw.toString('utf8')] : [])),
    async close() {
      server.close()
      server.closeAllConnections()
      await keelson.stop()
      await office.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The browser of this machine; undefined: there is none. */
export function chromiumHere(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.flatMap((folder) => ['chromium', 'chromium-browser'].map((name) => join(folder, name))).find(isProgram)
}

export function openBrowser(executablePath: string): Promise<Browser> {
  // As root, Chromium does not start with its sandbox; it sees nothing but the pages of this test.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] })
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
