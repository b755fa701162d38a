/** Built: what is measured is what the sources say now: packages whose dist is missing or older are built first. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const newest = (folder) =>
  Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile())
      .map((one) => statSync(join(one.parentPath, one.name)).mtimeMs),
  )
const isStale = (name) => {
  const at = join(root, 'packages', name)
  const made = join(at, 'dist', 'index.js')
  return !existsSync(made) || statSync(made).mtimeMs < newest(join(at, 'src'))
}
const stale = ['core', 'memory-sqlite'].filter(isStale)
if (stale.length > 0) {
  console.error(`${stale.join(' and ')} changed since the last build: building`)
  const { status } = spawnSync('npm', ['run', '-s', 'build'], { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(status ?? 1)
}
