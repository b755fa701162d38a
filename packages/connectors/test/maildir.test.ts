/** A look into a Maildir while mails move in it: what is there is never "not found". */
import { mkdtemp, mkdir, rename, writeFile } from 'node:fs/promises'
import { existsSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { maildirLookup } from '@keelson/connectors/email'

const FOLDERS = [
  ['tmp', 'cur', 'new'],
  ['new', 'cur', 'tmp'],
]
const PLACES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]

async function maildir(folders: readonly string[]): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'maildir-'))
  for (const folder of folders) await mkdir(join(root, folder))
  await writeFile(join(root, 'new', '1.mail'), 'Message-ID: <a@b>\r\n\r\nhi')
  return root
}

/** A signal that is asked again and again while a look goes on: `at` is called with the number of the asking. */
function watched(at: (asked: number) => void): AbortSignal {
  let asked = 0
  return { throwIfAborted: () => at(++asked) } as unknown as AbortSignal
}

describe('a look into a Maildir', () => {
  it.each(FOLDERS)('finds a mail that is read meanwhile, whenever it moves (%s, %s, %s)', async (...folders) => {
    for (const place of PLACES) {
      const root = await maildir(folders)
      const signal = watched((asked) => {
        const from = join(root, 'new', '1.mail')
        if (asked === place && existsSync(from)) renameSync(from, join(root, 'cur', '1.mail:2,S'))
      })
      expect(await maildirLookup(root)('<a@b>', 'op', { signal }), `moved at ${place}`).toBe('found')
    }
  })

  it('knows that a mail is not there when nothing moves', async () => {
    const root = await maildir(['new', 'cur', 'tmp'])
    await rename(join(root, 'new', '1.mail'), join(root, 'cur', '1.mail:2,S'))
    const { signal } = new AbortController()
    expect(await maildirLookup(root)('<other@b>', 'op', { signal })).toBe('not-found')
    expect(await maildirLookup(root)('<a@b>', 'op', { signal })).toBe('found')
  })

  it('does not know while the folders do not come to rest', async () => {
    const root = await maildir(['new', 'cur', 'tmp'])
    const [here, there] = [join(root, 'new', '1.mail'), join(root, 'cur', '1.mail:2,S')]
    const signal = watched(() => (existsSync(here) ? renameSync(here, there) : renameSync(there, here)))
    expect(await maildirLookup(root)('<other@b>', 'op', { signal })).toBe('unknown')
  })
})
