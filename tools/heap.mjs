/** Runs tests/reliability/heap.test.ts over 100,000 parks instead of some thousand: `npm run heap`. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const cwd = fileURLToPath(new URL('..', import.meta.url))
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url))
const args = ['run', '--typecheck.enabled=false', '--project', 'tests', 'tests/reliability/heap.test.ts']
const env = { ...process.env, KEELSON_FULL: '1' }
const { status } = spawnSync(process.execPath, [vitest, ...args], { cwd, env, stdio: 'inherit' })
process.exitCode = status ?? 1
