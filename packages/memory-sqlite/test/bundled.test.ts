/** Bundled: an app that was built into one file finds the code of its store's thread, or is told where it belongs. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'tsup'
import { describe, expect, it, onTestFinished } from 'vitest'

const ROOT = join(import.meta.dirname, '../../..')
const SOURCE = join(import.meta.dirname, '../src')

const APP = `
import { sqlite } from ${JSON.stringify(join(SOURCE, 'index.ts'))}
const store = sqlite(process.argv[2], { thread: 'worker' })
const opened = store.open({ worker: 'one', now: () => 0 })
opened.then(() => 'opened', ({ code, message, hint }) => ({ code, message, hint }))
  .then((told) => console.log(JSON.stringify(told))).then(() => store.close())`

async function bundle(folder: string, entry: Record<string, string>): Promise<void> {
  await build({
    entry,
    outDir: folder,
    ...{
      format: 'esm',
      target: 'node22',
      platform: 'node',
      config: false,
      silent: true,
      clean: false,
      splitting: false,
    },
    ...{ noExternal: [/^(?!better-sqlite3$)/], external: ['better-sqlite3'], outExtension: () => ({ js: '.js' }) },
    esbuildOptions: (options) => void (options.conditions = ['@keelson/source']),
  })
}

describe('a bundle with a store in a thread', () => {
  it('never starts a worker.js of the app as its own, says what is missing, and opens where it is', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'keelson-bundled-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    writeFileSync(join(folder, 'app.ts'), APP)
    writeFileSync(join(folder, 'worker.js'), `console.log('the worker of the app')`)
    const run = (): string =>
      execFileSync(process.execPath, [join(folder, 'app.js'), join(folder, 'company.db')], { encoding: 'utf8' })
    await bundle(folder, { app: join(folder, 'app.ts') })
    const told = JSON.parse(run()) as { code: string; message: string; hint: string }
    expect(told.code).toBe('STORE_FAILED')
    expect(told.message).toContain('keelson-sqlite-worker.js')
    expect(told.hint).toContain('bundle @keelson/memory-sqlite/worker')
    await bundle(folder, { 'keelson-sqlite-worker': join(SOURCE, 'keelson-sqlite-worker.ts') })
    expect(JSON.parse(run())).toBe('opened')
  })
})
