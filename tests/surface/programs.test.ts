/** The five programs on the intended surface: they compile against the real packages (the type check covers them), and run. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const here = import.meta.dirname
let folder: string
let runnable: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keelson-programs-'))
  // Not beside the programs: what reads all sources meanwhile must not come upon it.
  runnable = join(folder, 'programs.run.mts')
  await symlink(join(here, '../../node_modules'), join(folder, 'node_modules'), 'junction')
  const text = await readFile(join(here, 'programs.ts'), 'utf8')
  const [programs] = text.split('/* wrong code that must not compile */')
  const ready = programs!.replace("'2027-01-01'", "'2999-01-01'").replace('data/${ws}.db', `${folder}/\${ws}.db`)
  // A test runs an action only when it passes it, and this one the program keeps to itself.
  await writeFile(runnable, `${ready}\nexport { publish }\n`)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

/** What a part of them prints. */
async function run(part: string): Promise<string> {
  const args = ['--conditions=@keelson/source', join(here, 'run.ts'), runnable, part]
  const env = { ...process.env, NODE_ENV: 'production' }
  return (await promisify(execFile)(process.execPath, args, { cwd: folder, env })).stdout
}

describe('the surface programs', () => {
  it('run: a host over SQLite files, a grant, and the unit test with its crash exploration', async () => {
    const printed = await run('unit test')
    expect(printed).toContain('sendsOnce ok')
    expect(printed).toContain('Which colour?')
  })

  it('run: content with an edit loop, and collections', async () => {
    const printed = await run('playbooks')
    expect(printed).toContain('{"url":"https://x/keels","asked":["nothing","warmer"]}')
    expect(printed).toContain('{"paid":false,"happened":[3,3]} {"paid":true,"happened":[1,0]}')
  })
})
