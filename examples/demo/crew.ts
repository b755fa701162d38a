/** Crew: starts the demo's workers as processes of their own, and kills them. */
import { fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import type { Login } from './company.ts'
import type { Folder } from './folder.ts'

export interface Worker {
  /** Resolves when it stands still after the action that it was told of. */
  readonly halted: Promise<void>
  /** Resolves when the process is gone, with the signal that ended it. */
  readonly gone: Promise<NodeJS.Signals | null>
  /** SIGKILL. Nothing in the process gets to know. */
  kill(): void
  /** Asks it to end its work and waits until it has. */
  stop(): Promise<void>
}

export interface Crew {
  /** Rejects when a worker ends although nobody wanted it to. */
  readonly trouble: Promise<never>
  start(options?: { haltAfter?: string }): Promise<Worker>
  killAll(): void
}

export function crewOf(folder: Folder, mail: { port: number; login: Login }): Crew {
  const { promise: trouble, reject } = Promise.withResolvers<never>()
  trouble.catch(() => undefined)
  const running = new Set<Worker>()
  return {
    trouble,
    async start({ haltAfter = '' } = {}) {
      const worker = hire(folder, mail, haltAfter, reject)
      running.add(worker)
      void worker.gone.then(() => running.delete(worker))
      await Promise.race([worker.ready, trouble])
      return worker
    },
    killAll: () => running.forEach((worker) => worker.kill()),
  }
}

function hire(
  folder: Folder,
  { port, login }: { port: number; login: Login },
  haltAfter: string,
  onTrouble: (error: Error) => void,
): Worker & { ready: Promise<void> } {
  const child = fork(join(import.meta.dirname, 'worker.ts'), [folder.path, String(port), haltAfter], {
    execArgv: ['--conditions=@keelson/source'],
    env: { ...process.env, DEMO_SMTP_PASSWORD: login.pass },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const ready = Promise.withResolvers<void>()
  const halted = Promise.withResolvers<void>()
  const gone = Promise.withResolvers<NodeJS.Signals | null>()
  let expected = false
  createInterface({ input: child.stdout! }).on('line', (line) =>
    line === 'ready' ? ready.resolve() : line.startsWith('stands still') ? halted.resolve() : console.log(line),
  )
  child.once('exit', (code, signal) => {
    if (!expected) onTrouble(new Error(`a worker ended by itself (${signal ?? `exit ${code}`})`))
    gone.resolve(signal)
  })
  child.once('error', onTrouble)
  return {
    ready: ready.promise,
    halted: halted.promise,
    gone: gone.promise,
    kill() {
      expected = true
      child.kill('SIGKILL')
    },
    async stop() {
      expected = true
      if (child.connected) child.send('stop')
      await gone.promise
    },
  }
}
