/**
 * The host as a program: a mail server on loopback, one conductor for two companies, and a server for their people.
 *
 * `npm run example:host` serves by Express; `-- --hono` by Hono, `-- --port 8080` there, `-- --dir data` keeps its files.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { MayDecide } from '@keelson/core'
import { openPostOffice } from '../demo/post-office.ts'
import { openCompanies } from './company.ts'
import { serveExpress } from './express.ts'
import { serveHono } from './hono.ts'
import { withHooks } from './hooks.ts'
import { hostOf } from './host.ts'
import type { User } from './sessions.ts'

const { values } = parseArgs({
  options: {
    dir: { type: 'string' },
    port: { type: 'string', default: '0' },
    hono: { type: 'boolean', default: false },
  },
})
const folder = values.dir === undefined ? mkdtempSync(join(tmpdir(), 'keelson-host-')) : resolve(values.dir)
const sent = join(folder, 'sent')
mkdirSync(sent, { recursive: true })

const secret = (): string => randomBytes(9).toString('base64url')
const users: User[] = [
  { id: 'ann', name: 'Ann', company: 'acme', decides: true, password: secret() },
  { id: 'abe', name: 'Abe', company: 'acme', decides: false, password: secret() },
  { id: 'gil', name: 'Gil', company: 'globex', decides: true, password: secret() },
]
const login = { user: 'app', pass: secret() }
const office = await openPostOffice(sent, login)
const mayDecide: MayDecide = (actor) => users.some(({ id, decides }) => id === actor.id && decides)
const keelson = await openCompanies(folder, { port: office.port, login, sent }, { mayDecide })
const secrets = new Map(['acme', 'globex'].map((company) => [company, `whsec_${randomBytes(24).toString('base64')}`]))
const handle = withHooks(keelson, secrets, hostOf(keelson, users))
const server = (values.hono ? serveHono : serveExpress)(handle, Number(values.port))
await once(server, 'listening')

console.log(`open http://127.0.0.1:${(server.address() as AddressInfo).port}/ and log in as one of`)
for (const { id, password, company, decides } of users)
  console.log(`  ${id}  ${password}  of ${company}${decides ? '' : ', who may look and not decide'}`)
for (const [company, secret] of secrets) console.log(`  POST /hooks/${company} takes payments signed with ${secret}`)
console.log(`All is kept in ${folder}; mails that were sent are in ${sent}. Ctrl-C ends it.`)

await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
server.close()
server.closeAllConnections()
await keelson.stop()
await office.close()
