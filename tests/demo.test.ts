/** The demo: run as a person runs it, with and without one who answers, and looked at afterwards. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'

const root = resolve(import.meta.dirname, '..')

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly errors: string
}

function program(file: string, args: readonly string[], typed = ''): Promise<Ended> {
  const child = spawn(process.execPath, ['--conditions=@keelson/source', join('examples/demo', file), ...args], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1' },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let out = ''
  let errors = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  child.stdin.end(typed)
  return new Promise((done) => child.once('close', (code) => done({ code, out, errors })))
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'keelson-demo-test-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Why the driver does not load here, if it does not. */
let broken: string | undefined

beforeAll(async () => {
  const { default: Database } = await import('better-sqlite3')
  try {
    new Database(':memory:').close()
  } catch (error) {
    broken = (error as Error).message
  }
})

describe('the demo', { timeout: 240_000 }, () => {
  it('ends well although its worker is killed twice, and every effect happened once', async ({ skip }) => {
    skip(broken !== undefined, `better-sqlite3 does not load here: ${broken}`)
    const dir = folder()
    const { code, out, errors } = await program('main.ts', ['--dir', dir])
    expect({ code, errors, failed: out.match(/✗.*\n.*/g) }).toEqual({ code: 0, errors: '', failed: null })
    for (const wanted of [
      'worker 1 is killed (SIGKILL), in the middle of the run',
      'worker 2 is killed (SIGKILL) before it can record that',
      'who      Mara Lindqvist (person "mara")',
      '✓ the mail was accepted by the server exactly once',
      '✓ the calendar is byte for byte as it was',
      'planned so: its action is irreversible',
    ]) {
      expect(out).toContain(wanted)
    }
    expect(out).toMatch(/email\.send .* 1 +1 +mails accepted/)
    expect(out).toMatch(/calendar\.book .* 1 +1 +in studio\.ics/)
    expect(out).toMatch(/(\d+) of \1 checks hold\n$/)
    // eslint-disable-next-line no-control-regex -- an escape is what must not be there
    expect(out).not.toMatch(/\x1b/)
    expect(readFileSync(join(dir, 'sent/1.eml'), 'utf8')).toContain('X-Keelson-Operation')
    expect(existsSync(join(dir, 'sent/2.eml'))).toBe(false)

    const looked = await program('look.ts', [join(dir, 'company.db')])
    expect(looked).toMatchObject({ code: 0, errors: '' })
    expect(looked.out).toContain('client-onboarding@1  completed')
    expect(looked.out).toContain('looked what became of it: done')
  })

  it('sends what the person at the terminal made of it', async ({ skip }) => {
    skip(broken !== undefined, `better-sqlite3 does not load here: ${broken}`)
    const answers = 's\nBring the beans.\ne\nYes and gladly ☕\n'
    const { code, out, errors } = await program('main.ts', ['--interactive', '--dir', folder()], answers)
    expect({ code, errors, failed: out.match(/✗.*\n.*/g) }).toEqual({ code: 0, errors: '', failed: null })
    expect(out).toContain('P.S. Bring the beans.')
    expect(out).toMatch(/email\.send +Yes and gladly/)
  })

  it('sends nothing when the person says no', async ({ skip }) => {
    skip(broken !== undefined, `better-sqlite3 does not load here: ${broken}`)
    const { code, out, errors } = await program('main.ts', ['--interactive', '--dir', folder()], 'x\nr\nnot now\n')
    expect({ code, errors, failed: out.match(/✗.*\n.*/g) }).toEqual({ code: 0, errors: '', failed: null })
    expect(out).toContain('✓ nothing was sent')
    expect(out).toContain('declined by Mara Lindqvist: not now')
  })

  it('says so and sends nothing when the person leaves', async ({ skip }) => {
    skip(broken !== undefined, `better-sqlite3 does not load here: ${broken}`)
    const dir = folder()
    const { code, errors } = await program('main.ts', ['--interactive', '--dir', dir])
    expect(code).toBe(1)
    expect(errors).toContain('the terminal closed before a decision: nothing was sent')
    expect(existsSync(join(dir, 'sent/1.eml'))).toBe(false)
  })
})
