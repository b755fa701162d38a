/** Files: however many a test process asks for, they have one listener for its end, and go with it. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { expect, it, onTestFinished } from 'vitest'
import { temporary } from './subject.ts'

const PROGRAM = `
  import { sqliteFiles } from '@keelson/memory-sqlite/testing'
  import { readdirSync } from 'node:fs'
  const before = process.listenerCount('exit')
  for (let n = 0; n < 12; n++) {
    const { session } = await sqliteFiles({ folder: process.argv[1] }).open()
    const store = session()
    await store.open({ worker: 'one', now: () => 1 })
    await store.close()
  }
  const made = readdirSync(process.argv[1]).map((name) => process.argv[1] + '/' + name)
  console.log(JSON.stringify({ listeners: process.listenerCount('exit') - before, made }))`

it('of many calls are all removed by one listener as the process ends', () => {
  const folder = temporary()
  onTestFinished(folder.remove)
  const args = ['--conditions=@keelson/source', '--input-type=module', '-e', PROGRAM, folder.folder]
  const told = execFileSync(process.execPath, args, { encoding: 'utf8' })
  const { listeners, made } = JSON.parse(told) as { listeners: number; made: string[] }
  expect({ listeners, made: made.length }).toEqual({ listeners: 1, made: 12 })
  expect(made.filter((path) => existsSync(path))).toEqual([])
})
