/** Starts programs of this folder as processes of their own, on the sources. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

export interface Child {
  readonly process: ChildProcess
  /** The first line that it prints. */
  readonly firstLine: Promise<string>
  /** All lines, when it has ended well. */
  readonly lines: Promise<string[]>
}

export function start(program: string, ...args: string[]): Child {
  const child = spawn(process.execPath, ['--conditions=@keelson/source', join(import.meta.dirname, program), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  const firstLine = new Promise<string>((resolve) => reader.once('line', resolve))
  reader.on('line', (line) => lines.push(line))
  const ended = new Promise<string[]>((resolve, reject) => {
    child.on('close', (code) => (code === 0 ? resolve(lines) : reject(new Error(`${program} ended with ${code}`))))
  })
  ended.catch(() => undefined)
  return { process: child, firstLine, lines: ended }
}

/** Ends a process at once and waits until it is gone. */
export function kill({ process: child }: Child): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}
