/** Explores the whole crash matrix and many simulations: `npm run crashes`, or of one program: `npm run crashes -- onboarding`. */
import { spawnSync } from 'node:child_process'

const [program] = process.argv.slice(2)
const env = { ...process.env, KEELSON_CRASHES: 'all', ...(program === undefined ? {} : { KEELSON_PROGRAM: program }) }
const files = ['tests/crash.test.ts', 'tests/crash-simulate.test.ts'].slice(0, program === undefined ? 2 : 1)
const { status } = spawnSync('npx', ['vitest', 'run', '--project', 'tests', ...files], {
  stdio: 'inherit',
  env,
  shell: process.platform === 'win32',
})
process.exitCode = status ?? 1
