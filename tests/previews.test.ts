/** A preview of a file: rows for a card that knows rows alone, and the file for one that can draw it. */
import { action, policy, type InboxItem, type PreviewSource } from '@keelson/core'
import { testConductor } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { code } from './support/open.ts'

const digest = 'a'.repeat(64)

/** What a person is shown of an action with this preview. */
async function shown(preview: unknown): Promise<Pick<InboxItem, 'preview' | 'flags'>> {
  const write = action({
    name: 'disk.write',
    effect: 'reversible',
    idempotency: { by: 'key' },
    input: z.object({ path: z.string() }),
    output: z.object({}),
    undo: z.object({}),
    preview: () => preview as PreviewSource,
    run: async () => ({ output: {}, undo: {} }),
    compensate: async () => {},
  })
  const work = code((ctx) => ctx.act(write, { path: 'a.md' }))
  const gate = policy([policy.rule('asks', { on: write }, () => policy.ask())])
  const t = await testConductor({ playbooks: [work], actions: [write], policy: gate })
  await t.start(work, {})
  const [{ preview: made, flags }] = (await t.inbox.list()).items as [InboxItem]
  await t.stop()
  return { preview: made, flags }
}

describe('a file', () => {
  it('is shown by name, size and digest, and with its text before and after', async () => {
    const file = { name: 'a.md', mediaType: 'text/markdown', bytes: 12, sha256: digest }
    const { preview, flags } = await shown({ kind: 'file', before: 'one', after: 'one two', ...file })
    expect(preview).toEqual({
      kind: 'fields',
      rows: [
        { label: 'file', after: 'a.md' },
        { label: 'size', after: '12 bytes, text/markdown' },
        { label: 'sha-256', after: digest },
        { label: 'text', before: 'one', after: 'one two' },
      ],
      file,
    })
    expect(flags).toEqual([])
  })

  it('that has no text is shown without one', async () => {
    const { preview } = await shown({ kind: 'file', name: 'a.png', bytes: 9000 })
    const rows = [
      { label: 'file', after: 'a.png' },
      { label: 'size', after: '9000 bytes' },
    ]
    expect(preview).toEqual({ kind: 'fields', rows, file: { name: 'a.png', bytes: 9000 } })
  })

  it('that is emptied or goes is shown with what is lost', async () => {
    const { preview } = await shown({ kind: 'file', name: 'a.md', bytes: 0, before: 'all of it' })
    expect(preview).toMatchObject({ rows: [{}, {}, { label: 'text', before: 'all of it', after: '' }] })
  })

  it('whose name or type is not as it seems is written out for either card, and flagged', async () => {
    const { preview, flags } = await shown({ kind: 'file', name: 'bill\u202Efdp.exe', mediaType: 'text/\u200Bplain', bytes: 1 }) // prettier-ignore
    const { rows, file } = preview as typeof preview & { kind: 'fields' }
    expect(rows[0]!.after).toBe('bill\\u{202e}fdp.exe')
    expect(rows[1]!.after).toBe('1 bytes, text/\\u{200b}plain')
    expect(file).toEqual({ name: 'bill\\u{202e}fdp.exe', mediaType: 'text/\\u{200b}plain', bytes: 1 })
    expect(flags.map(({ code }) => code)).toEqual(['direction', 'hidden'])
  })

  it('is long where its text is, and must be opened then', async () => {
    const { flags } = await shown({ kind: 'file', name: 'a.md', bytes: 30_000, after: 'x'.repeat(30_000) })
    expect(flags.map(({ code }) => code)).toEqual(['long'])
  })

  it.each([
    ['has no size', { kind: 'file', name: 'a.md' }],
    ['has no name', { kind: 'file', bytes: 3 }],
    ['is of no size that can be', { kind: 'file', name: 'a.md', bytes: Number.NaN }],
  ])('that %s hides nothing: all fields are shown instead', async (_what, preview) => {
    expect((await shown(preview)).preview).toEqual({ kind: 'fields', rows: [{ label: 'path', after: 'a.md' }] })
  })
})
