/** Files: what writes promise when tried again, crashed in the middle, taken back, or meant to lead out of the root. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { definitionOf } from '@keelson/core/ports'
import { describe, expect, it } from 'vitest'
import { blobsOf, files } from '../src/files/index.ts'
import { sha256Hex } from '../src/disk/atomic.ts'
import { compensate, configOf, failureOf, folder, reconcile, run } from './call.ts'

function setUp() {
  const root = folder()
  const config = configOf(files.connect({ root }))
  const at = (name: string): string => join(root, name)
  const text = (name: string): string => readFileSync(at(name), 'utf8')
  return { root, config, at, text }
}

/** What lies in the root besides the connector's own folder. */
const visible = (root: string): string[] => readdirSync(root).filter((name) => name !== '.keelson')

describe('files.write', () => {
  it('writes a file, and the folders above it', async () => {
    const { config, text } = setUp()
    const { output } = await run(files.write, { path: 'a/b/c.txt', text: 'héllo' }, { config })
    expect(text('a/b/c.txt')).toBe('héllo')
    expect(output).toEqual({ path: 'a/b/c.txt', sha256: sha256Hex('héllo'), size: 6 })
  })

  it('removes what a write of the same file left behind when it was cut short, and nothing else', async () => {
    const { root, config } = setUp()
    await run(files.write, { path: 'a.txt', text: 'one' }, { config })
    const [left, other] = ['.a.txt.0123456789ab.keelson-tmp', '.b.txt.0123456789ab.keelson-tmp']
    for (const name of [left, other]) writeFileSync(join(root, name), 'half')
    await run(files.write, { path: 'a.txt', text: 'two' }, { config, key: 'two' })
    expect(visible(root).sort()).toEqual([other, 'a.txt'])
  })

  it('gives the same undo token when it is tried again after it was done', async () => {
    const { config, at, text } = setUp()
    writeFileSync(at('a.txt'), 'prior')
    const first = await run(files.write, { path: 'a.txt', text: 'ours' }, { config })
    const second = await run(files.write, { path: 'a.txt', text: 'ours' }, { config, attempt: 2 })
    expect(second).toEqual(first)
    await compensate(files.write, second.undo, { config })
    expect(text('a.txt')).toBe('prior')
  })

  it('refuses a second try when somebody edited the file since the first', async () => {
    const { config, at, text } = setUp()
    await run(files.write, { path: 'a.txt', text: 'ours' }, { config })
    writeFileSync(at('a.txt'), 'theirs')
    const failure = await failureOf(files.write, run(files.write, { path: 'a.txt', text: 'ours' }, { config }))
    expect(failure.class).toBe('final')
    expect(text('a.txt')).toBe('theirs')
  })

  it('is two effects under two keys', async () => {
    const { config, text } = setUp()
    await run(files.write, { path: 'a.txt', text: 'one' }, { config, key: 'one' })
    const { undo } = await run(files.write, { path: 'a.txt', text: 'two' }, { config, key: 'two' })
    await compensate(files.write, undo, { config })
    expect(text('a.txt')).toBe('one')
  })

  it('writes only what was expected to be there', async () => {
    const { config, at, text } = setUp()
    writeFileSync(at('a.txt'), 'prior')
    const expectGone = run(files.write, { path: 'a.txt', text: 'x', expect: null }, { config, key: '1' })
    expect((await failureOf(files.write, expectGone)).class).toBe('final')
    await run(files.write, { path: 'a.txt', text: 'x', expect: sha256Hex('prior') }, { config, key: '2' })
    expect(text('a.txt')).toBe('x')
  })

  it('takes bytes that were kept as a blob', async () => {
    const { root, config, at } = setUp()
    const bytes = Buffer.from([0, 255, 13, 10])
    const sha256 = await blobsOf(root).put(bytes)
    expect(await blobsOf(root).put(bytes)).toBe(sha256)
    await run(files.write, { path: 'a.bin', sha256 }, { config })
    expect(readFileSync(at('a.bin'))).toEqual(bytes)
    const missing = run(files.write, { path: 'b.bin', sha256: '0'.repeat(64) }, { config, key: 'k2' })
    expect((await failureOf(files.write, missing)).class).toBe('final')
  })

  it('keeps the permission bits of what it replaces, also on the way back', async () => {
    const { config, at } = setUp()
    writeFileSync(at('a.sh'), 'prior')
    chmodSync(at('a.sh'), 0o750)
    const { undo } = await run(files.write, { path: 'a.sh', text: 'ours' }, { config })
    expect(statSync(at('a.sh')).mode & 0o777).toBe(0o750)
    await compensate(files.write, undo, { config })
    expect(statSync(at('a.sh')).mode & 0o777).toBe(0o750)
  })

  it('leaves no temporary file and no lock', async () => {
    const { root, config } = setUp()
    await run(files.write, { path: 'a.txt', text: 'x' }, { config })
    expect(visible(root)).toEqual(['a.txt'])
    expect(readdirSync(join(root, '.keelson')).sort()).toEqual(['blobs', 'changes'])
  })

  it('lets parallel writers of one file finish one after the other', async () => {
    const { config, text } = setUp()
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`)
    const made = await Promise.all(keys.map((key) => run(files.write, { path: 'a.txt', text: key }, { config, key })))
    // Each prior is the text of exactly one other: nobody overwrote what nobody had seen.
    const befores = made.map(({ undo }) => undo.files[0].before as string | null)
    expect(new Set(befores).size).toBe(8)
    expect(befores).not.toContain(sha256Hex(text('a.txt')))
  })
})

describe('an undo of files', () => {
  it('removes what was new and restores what was there', async () => {
    const { root, config } = setUp()
    const { undo } = await run(files.write, { path: 'a.txt', text: 'x' }, { config })
    await compensate(files.write, undo, { config })
    expect(visible(root)).toEqual([])
    await compensate(files.write, undo, { config })
    expect(visible(root)).toEqual([])
  })

  it('refuses when somebody edited the file since, and leaves the edit alone', async () => {
    const { config, at, text } = setUp()
    const { undo } = await run(files.write, { path: 'a.txt', text: 'ours' }, { config })
    writeFileSync(at('a.txt'), 'ours, corrected')
    const failure = await failureOf(files.write, compensate(files.write, undo, { config }))
    expect(failure).toMatchObject({ class: 'final', message: expect.stringContaining('edited since') })
    expect(text('a.txt')).toBe('ours, corrected')
  })

  it('refuses when somebody removed the file since', async () => {
    const { config, at } = setUp()
    writeFileSync(at('a.txt'), 'prior')
    const { undo } = await run(files.write, { path: 'a.txt', text: 'ours' }, { config })
    rmSync(at('a.txt'))
    expect((await failureOf(files.write, compensate(files.write, undo, { config }))).class).toBe('final')
    expect(existsSync(at('a.txt'))).toBe(false)
  })

  it('refuses when the kept bytes are damaged', async () => {
    const { root, config, at, text } = setUp()
    writeFileSync(at('a.txt'), 'prior')
    const { undo } = await run(files.write, { path: 'a.txt', text: 'ours' }, { config })
    const sha256 = sha256Hex('prior')
    writeFileSync(join(root, '.keelson', 'blobs', sha256.slice(0, 2), sha256), 'other')
    expect((await failureOf(files.write, compensate(files.write, undo, { config }))).class).toBe('final')
    expect(text('a.txt')).toBe('ours')
  })
})

describe('files.move', () => {
  it('moves, confirms a second try, and moves back', async () => {
    const { root, config, at, text } = setUp()
    writeFileSync(at('a.txt'), 'x')
    const { undo } = await run(files.move, { from: 'a.txt', to: 'sub/b.txt' }, { config })
    await run(files.move, { from: 'a.txt', to: 'sub/b.txt' }, { config, attempt: 2 })
    expect(text('sub/b.txt')).toBe('x')
    expect(existsSync(at('a.txt'))).toBe(false)
    await compensate(files.move, undo, { config })
    expect(text('a.txt')).toBe('x')
    expect(visible(root)).toContain('a.txt')
    expect(existsSync(at('sub/b.txt'))).toBe(false)
  })

  it('finishes a move that a crash left in two places', async () => {
    const { config, at } = setUp()
    writeFileSync(at('a.txt'), 'x')
    await run(files.move, { from: 'a.txt', to: 'b.txt' }, { config })
    writeFileSync(at('a.txt'), 'x')
    expect((await reconcile(files.move, { from: 'a.txt', to: 'b.txt' }, { config })).state).toBe('unknown')
    await run(files.move, { from: 'a.txt', to: 'b.txt' }, { config, attempt: 2 })
    expect([existsSync(at('a.txt')), existsSync(at('b.txt'))]).toEqual([false, true])
  })

  it('never replaces a file that is there', async () => {
    const { config, at, text } = setUp()
    writeFileSync(at('a.txt'), 'a')
    writeFileSync(at('b.txt'), 'b')
    expect((await failureOf(files.move, run(files.move, { from: 'a.txt', to: 'b.txt' }, { config }))).class).toBe(
      'final',
    )
    expect([text('a.txt'), text('b.txt')]).toEqual(['a', 'b'])
  })

  it('does not move back over a file that is new', async () => {
    const { config, at, text } = setUp()
    writeFileSync(at('a.txt'), 'x')
    const { undo } = await run(files.move, { from: 'a.txt', to: 'b.txt' }, { config })
    writeFileSync(at('a.txt'), 'new')
    expect((await failureOf(files.move, compensate(files.move, undo, { config }))).class).toBe('final')
    expect([text('a.txt'), text('b.txt')]).toEqual(['new', 'x'])
  })
})

describe('files.remove', () => {
  it('removes, confirms a second try, and brings the bytes back', async () => {
    const { config, at, text } = setUp()
    writeFileSync(at('a.txt'), 'x')
    const { undo } = await run(files.remove, { path: 'a.txt' }, { config })
    expect((await run(files.remove, { path: 'a.txt' }, { config, attempt: 2 })).undo).toEqual(undo)
    expect(existsSync(at('a.txt'))).toBe(false)
    await compensate(files.remove, undo, { config })
    expect(text('a.txt')).toBe('x')
  })

  it('refuses to bring it back over a file that is new', async () => {
    const { config, at, text } = setUp()
    writeFileSync(at('a.txt'), 'x')
    const { undo } = await run(files.remove, { path: 'a.txt' }, { config })
    writeFileSync(at('a.txt'), 'new')
    expect((await failureOf(files.remove, compensate(files.remove, undo, { config }))).class).toBe('final')
    expect(text('a.txt')).toBe('new')
  })
})

describe('reconciliation of files', () => {
  const input = { path: 'a.txt', text: 'ours' }

  it('finds nothing where no try began', async () => {
    const { config } = setUp()
    expect(await reconcile(files.write, input, { config })).toEqual({ state: 'not-found' })
  })

  it('finds what was done, with the undo token that was lost', async () => {
    const { config, at } = setUp()
    writeFileSync(at('a.txt'), 'prior')
    const { output, undo } = await run(files.write, input, { config })
    expect(await reconcile(files.write, input, { config })).toEqual({ state: 'done', output, undo })
  })

  it('tells a try that died before the file changed, and one that nobody can tell', async () => {
    const { config, at } = setUp()
    writeFileSync(at('a.txt'), 'prior')
    await run(files.write, input, { config })
    writeFileSync(at('a.txt'), 'prior')
    expect(await reconcile(files.write, input, { config })).toEqual({ state: 'not-found' })
    writeFileSync(at('a.txt'), 'theirs')
    expect(await reconcile(files.write, input, { config })).toEqual({ state: 'unknown' })
  })
})

describe('files.read and files.list', () => {
  it('read text and bytes, and null for what is not there', async () => {
    const { config, at } = setUp()
    writeFileSync(at('a.txt'), 'hé')
    writeFileSync(at('b.bin'), Buffer.from([0xff, 0]))
    expect((await run(files.read, { path: 'a.txt' }, { config })).output).toEqual({
      path: 'a.txt',
      sha256: sha256Hex('hé'),
      size: 3,
      content: 'hé',
    })
    expect((await run(files.read, { path: 'b.bin', as: 'base64' }, { config })).output.content).toBe('/wA=')
    expect((await failureOf(files.read, run(files.read, { path: 'b.bin' }, { config }))).class).toBe('final')
    expect((await run(files.read, { path: 'none.txt' }, { config })).output).toBeNull()
    expect((await run(files.read, { path: 'a.txt/below' }, { config })).output).toBeNull()
  })

  it('list by name in pages, without links and what the connector keeps', async () => {
    const { root, config } = setUp()
    for (const path of ['b.txt', 'a.txt', 'sub/c.txt'])
      await run(files.write, { path, text: 'x' }, { config, key: path })
    symlinkSync(join(root, 'a.txt'), join(root, 'link.txt'))
    const names = async (input: object) => {
      const { output } = await run(files.list, input, { config })
      return [output.files.map((file: { path: string }) => file.path), output.more]
    }
    expect(await names({})).toEqual([['a.txt', 'b.txt', 'sub/c.txt'], false])
    expect(await names({ limit: 2 })).toEqual([['a.txt', 'b.txt'], true])
    expect(await names({ after: 'b.txt' })).toEqual([['sub/c.txt'], false])
    expect(await names({ folder: 'sub' })).toEqual([['sub/c.txt'], false])
    expect(await names({ folder: 'none' })).toEqual([[], false])
  })
})

describe('a name', () => {
  const wrong = [
    '../../etc/passwd', '..', 'a/../b', './a', 'a/./b', '/etc/passwd', 'a//b', 'a/', '..%2fx', '%2E%2E/x', 'a%00', 'C:\\x', 'C:x', 'c:/x', '\\\\host\\share',
    'a\\b', 'a\0b', 'a\nb', 'x'.repeat(300), `${'x/'.repeat(600)}x`, 'CON', 'con.txt', 'a/NUL', 'com1.log', 'LPT¹', 'a.', 'a ', ' a', 'a:stream', 'a*', 'a?',
    'cafe\u0301', 'a\u202Eb', 'a\u200Bb', '\uD800', '', '.keelson/blobs/x', '.KEELSON/x', 'x.keelson-tmp',
  ] // prettier-ignore

  it.each(wrong)('is refused by the schema: %j', (path) => {
    for (const action of [files.write, files.read, files.remove]) {
      expect(definitionOf(action).input.safeParse({ path, text: 'x' }).success).toBe(false)
    }
    expect(definitionOf(files.move).input.safeParse({ from: 'a', to: path }).success).toBe(false)
  })

  it.each(wrong.filter((name) => name !== ''))('is refused below the schema, too: %j', async (path) => {
    const { config, root } = setUp()
    const { run: bare } = definitionOf(files.write)
    const attempt = bare(
      { path, text: 'x' },
      { key: 'k', signal: new AbortController().signal, attempt: 1, since: 0, config },
    )
    expect((await failureOf(files.write, attempt)).class).toBe('final')
    expect(visible(root)).toEqual([])
  })

  it.each(['a', 'a/b.c', 'café.md', '.env', '..a', 'a..b/…', '日本語.txt', 'console.log', 'a%20b'])(
    'is taken: %j',
    (path) => {
      expect(definitionOf(files.read).input.safeParse({ path }).success).toBe(true)
    },
  )
})

describe('a way that leads out of the root', () => {
  it('is refused through a linked folder, without anything made there', async () => {
    const { root, config } = setUp()
    const outside = folder()
    symlinkSync(outside, join(root, 'link'))
    symlinkSync(join(outside, 'dangling'), join(root, 'dangling'))
    for (const path of ['link/x.txt', 'link/new/x.txt', 'dangling/x.txt', 'dangling']) {
      expect((await failureOf(files.write, run(files.write, { path, text: 'x' }, { config, key: path }))).class).toBe(
        'final',
      )
    }
    expect(readdirSync(outside)).toEqual([])
  })

  it('is refused through a linked file, for reading, writing, moving and removing', async () => {
    const { root, config } = setUp()
    const secret = join(folder(), 'secret.txt')
    writeFileSync(secret, 'secret')
    symlinkSync(secret, join(root, 'a.txt'))
    const tries = [
      run(files.read, { path: 'a.txt' }, { config }),
      run(files.write, { path: 'a.txt', text: 'x' }, { config, key: '1' }),
      run(files.move, { from: 'a.txt', to: 'b.txt' }, { config, key: '2' }),
      run(files.remove, { path: 'a.txt' }, { config, key: '3' }),
    ]
    const failures = await Promise.all(tries.map((attempt) => failureOf(files.read, attempt)))
    expect(failures.map((failure) => failure.class)).toEqual(['final', 'final', 'final', 'final'])
    expect(readFileSync(secret, 'utf8')).toBe('secret')
  })

  it('is refused when the connector folder itself leads elsewhere', async () => {
    const { root, config } = setUp()
    const outside = folder()
    symlinkSync(outside, join(root, '.keelson'))
    expect((await failureOf(files.write, run(files.write, { path: 'a.txt', text: 'x' }, { config }))).class).toBe(
      'final',
    )
    expect(readdirSync(outside)).toEqual([])
  })

  it('is refused for an undo whose folder became a link', async () => {
    const { root, config } = setUp()
    const { undo } = await run(files.write, { path: 'sub/a.txt', text: 'x' }, { config })
    const outside = folder()
    renameSync(join(root, 'sub'), join(outside, 'sub'))
    symlinkSync(join(outside, 'sub'), join(root, 'sub'))
    expect((await failureOf(files.write, compensate(files.write, undo, { config }))).class).toBe('final')
    expect(readFileSync(join(outside, 'sub', 'a.txt'), 'utf8')).toBe('x')
  })
})

describe('files.connect', () => {
  it('does not share one root between workspaces', async () => {
    const root = folder()
    const shared = configOf(files.connect({ root }), { workspace: 'acme' })
    expect((await failureOf(files.read, run(files.read, { path: 'a' }, { config: shared }))).message).toContain(
      'workspace',
    )
    mkdirSync(join(root, 'acme'))
    const own = configOf(files.connect({ root: ({ workspace }) => join(root, workspace) }), { workspace: 'acme' })
    await run(files.write, { path: 'a', text: 'x' }, { config: own })
    expect(readFileSync(join(root, 'acme', 'a'), 'utf8')).toBe('x')
  })

  it('says what is missing when an action is tried', async () => {
    expect((await failureOf(files.read, run(files.read, { path: 'a' }, {}))).message).toContain('files.connect')
    expect(
      (await failureOf(files.read, run(files.read, { path: 'a' }, { config: configOf(files.connect()) }))).message,
    ).toContain('root')
    const gone = configOf(files.connect({ root: join(folder(), 'gone') }))
    expect((await failureOf(files.read, run(files.read, { path: 'a' }, { config: gone }))).class).toBe('final')
  })
})
