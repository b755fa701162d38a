/** AnchorFile: what it was given is what it gives back, whatever a crash left at its end. */
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Anchor } from '@keelson/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { anchorFile } from '../src/anchor-file/index.ts'

const anchor = (number: number, workspace = 'default'): Anchor => ({
  ...{ v: 1, workspace, number, at: '2026-01-05T09:00:00.000Z', entries: 1, root: 'r', previous: '', keyId: 'k' },
  ...{ signature: 's', ends: ['e'] },
})

async function place(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'keelson-anchors-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'elsewhere', 'anchors.jsonl')
}

describe('anchorFile', () => {
  it('gives back the anchors of a workspace in order, those given at once included', async () => {
    const file = anchorFile(await place())
    expect(await file.read()).toEqual([])
    await Promise.all([1, 2, 3].map(async (number) => file.sink(anchor(number))))
    await file.sink(anchor(1, 'acme'))
    expect(await file.read()).toEqual([anchor(1), anchor(2), anchor(3)])
    expect(await file.read('acme')).toEqual([anchor(1, 'acme')])
  })

  it('passes over a line that a crash has torn, and writes none onto it', async () => {
    const path = await place()
    await anchorFile(path).sink(anchor(1))
    await appendFile(path, '{"v":1,"works')
    const again = anchorFile(path)
    await again.sink(anchor(2))
    expect(await again.read()).toEqual([anchor(1), anchor(2)])
    expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(4)
  })
})
