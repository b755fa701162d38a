/** Runs the parts of the surface programs in a folder of its own; the driver of programs.test.ts. */
import { pathToFileURL } from 'node:url'

const [, , file] = process.argv
interface Programs {
  sendsOnce(): Promise<void>
  card(item: unknown): string
}

const programs = (await import(pathToFileURL(file!).href)) as Programs
await programs.sendsOnce()
console.log('sendsOnce ok')
console.log(programs.card({ kind: 'question', question: 'Which colour?' }))
process.exit(0)
