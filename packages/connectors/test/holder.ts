/** A process that takes the lock of a path, says so, and never lets go: `holder.ts PATH`. */
import { withLock } from '../src/disk/lock.ts'

await withLock(process.argv[2]!, new AbortController().signal, () => {
  console.log('held')
  return new Promise(() => setInterval(() => undefined, 1000))
})
