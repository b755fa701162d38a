/** The other side of `terminal.ts`: runs each command that it is told in this process, and tells what it printed. */
import { main } from '../../packages/cli/src/main.ts'
import type { Command, Ended } from './terminal.ts'

process.on('message', async ({ args, env }: Command) => {
  const before = { ...process.env }
  Object.assign(process.env, env)
  const printed = { stdout: '', stderr: '' }
  const kept = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name]
    const { write } = stream
    stream.write = (text: string | Uint8Array, ...rest: unknown[]) => {
      printed[name] += typeof text === 'string' ? text : Buffer.from(text).toString()
      const written = rest.at(-1)
      if (typeof written === 'function') written()
      return true
    }
    return () => (stream.write = write)
  })
  const code = await main(args)
  for (const restore of kept) restore()
  process.env = before
  process.send!({ code, ...printed } satisfies Ended)
})
