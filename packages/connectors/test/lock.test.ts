/** Lock: never two holders, and no lock that outlives its holder. */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { withLock } from '../src/disk/lock.ts'
import { folder } from './call.ts'
import { kill, start } from './child.ts'

const never = new AbortController().signal

/** Wants the lock until it has been seen to try, and then gives up. */
async function waitInVain(dir: string): Promise<void> {
  const abort = new AbortController()
  let taken = false
  const waiting = withLock(join(dir, 'x'), abort.signal, async () => void (taken = true))
  const gaveUp = expect(waiting).rejects.toThrow('enough')
  while (readdirSync(dir).length < 2 && !taken) await new Promise((resolve) => setImmediate(resolve))
  abort.abort(new Error('enough'))
  await gaveUp
}

describe('a lock', () => {
  it('has one holder at a time', async () => {
    const path = join(folder(), 'x')
    let holders = 0
    let most = 0
    const once = (): Promise<void> =>
      withLock(path, never, async () => {
        most = Math.max(most, ++holders)
        await new Promise((resolve) => setImmediate(resolve))
        holders--
      })
    await Promise.all(Array.from({ length: 12 }, once))
    expect(most).toBe(1)
  })

  it('comes to each of very many in one process', async () => {
    const path = join(folder(), 'x')
    const done: number[] = []
    await Promise.all(Array.from({ length: 200 }, (_, i) => withLock(path, never, async () => void done.push(i))))
    expect(done).toEqual(Array.from({ length: 200 }, (_, i) => i))
  })

  it('is let go when the work fails', async () => {
    const dir = folder()
    await expect(withLock(join(dir, 'x'), never, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
    expect(readdirSync(dir)).toEqual([])
    await expect(withLock(join(dir, 'x'), never, async () => 'done')).resolves.toBe('done')
  })

  it('of a process that was killed is taken over', async () => {
    const dir = folder()
    const holder = start('holder.ts', join(dir, 'x'))
    expect(await holder.firstLine).toBe('held')
    await kill(holder)
    expect(readdirSync(dir)).toHaveLength(1)
    await expect(withLock(join(dir, 'x'), never, async () => 'done')).resolves.toBe('done')
    expect(readdirSync(dir)).toEqual([])
  })

  it('of a process that lives is not taken, however long it takes', async () => {
    const dir = folder()
    const holder = start('holder.ts', join(dir, 'x'))
    await holder.firstLine
    const [name = ''] = readdirSync(dir)
    await waitInVain(dir)
    expect(readdirSync(dir)).toEqual([name])
  })

  it('that an earlier process of the same id left is taken over, as in a container that starts again', async () => {
    const dir = folder()
    const [own] = await withLock(join(dir, 'x'), never, async () => readdirSync(dir))
    const [, host, pid] = /lock-(\w+)-(\d+)-/.exec(own!)!
    writeFileSync(join(dir, `.x.lock-${host}-${pid}-1000000-abcdef`), '')
    await expect(withLock(join(dir, 'x'), never, async () => 'done')).resolves.toBe('done')
  })

  it('is not left behind by one who gives up while getting it', async () => {
    const dir = folder()
    const abort = new AbortController()
    const waiting = withLock(join(dir, 'x'), abort.signal, async () => 'taken').catch(() => 'gave up')
    while (readdirSync(dir).length === 0) await new Promise((resolve) => setImmediate(resolve))
    abort.abort()
    // Whichever came first, the lock is gone with its holder.
    await waiting
    expect(readdirSync(dir)).toEqual([])
  })

  it('of another machine is respected', async () => {
    const dir = folder()
    writeFileSync(join(dir, '.x.lock-otherhost-1-1000000-abcdef'), '')
    await waitInVain(dir)
    expect(readdirSync(dir)).toEqual(['.x.lock-otherhost-1-1000000-abcdef'])
  })
})
