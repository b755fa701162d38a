/** Wake: the write of another process is noticed soon, although the notice of it comes before it counts. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import type { Handle } from '../src/file/connection.ts'
import { Wake } from '../src/file/wake.ts'

/** A store that another worker has open, too, and whose version is set by the test. */
function begin() {
  const folder = mkdtempSync(join(tmpdir(), 'keelson-wake-'))
  const path = join(folder, 'a.db')
  mkdirSync(`${path}-workers`)
  for (const name of ['one', 'two']) writeFileSync(join(`${path}-workers`, `${name}.lock`), '')
  let version = 1
  let looks = 0
  const pragma = (): number => {
    looks++
    return version
  }
  const wrote = vi.fn()
  const handle = { open: true, pragma }
  const wake = new Wake(handle as unknown as Handle, path, wrote)
  onTestFinished(() => {
    wake.close()
    rmSync(folder, { recursive: true, force: true })
  })
  /** Until it has looked again. */
  const next = async (before: number): Promise<void> => {
    while (looks === before) await new Promise((resolve) => setImmediate(resolve))
  }
  return { path, wrote, handle, next, looks: () => looks, commit: () => void version++ }
}

it('looks again after a notice, for the log is written before the commit counts', async () => {
  const { path, wrote, looks, commit } = begin()
  await vi.waitFor(() => expect(looks()).toBeGreaterThan(1))
  const before = looks()
  writeFileSync(`${path}-wal`, 'frames')
  await vi.waitFor(() => expect(looks()).toBeGreaterThan(before))
  expect(wrote).not.toHaveBeenCalled()
  commit()
  await vi.waitFor(() => expect(wrote).toHaveBeenCalledTimes(1), { timeout: 5000 })
})

it('looks when the log is written', async () => {
  const { path, looks, next } = begin()
  // Without the looks that follow a notice.
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  await next(1)
  const before = looks()
  writeFileSync(`${path}-wal`, 'frames')
  await next(before)
  expect(looks()).toBeGreaterThan(before)
})

it('ends when its connection was closed under it', () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const { handle, looks } = begin()
  handle.open = false
  const before = looks()
  vi.advanceTimersByTime(10_000)
  expect(looks()).toBe(before)
  expect(vi.getTimerCount()).toBe(0)
})

it('goes on when the folder of the locks goes away under it', async () => {
  const { path, looks, next } = begin()
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  await next(1)
  let before = looks()
  rmSync(`${path}-workers`, { recursive: true })
  await next(before)
  before = looks()
  writeFileSync(`${path}-wal`, 'frames')
  await next(before)
  expect(looks()).toBeGreaterThan(before)
})
