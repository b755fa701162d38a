/** Changesets: each says something, of packages that there are. */
import { describe, expect, it } from 'vitest'
import { exists, find } from './sources.ts'

describe('changesets', () => {
  const packages = new Set(
    find('packages/*/package.json').map(({ text }) => (JSON.parse(text) as { name: string }).name),
  )
  const all = find('.changeset/*.md').filter(({ path }) => !path.endsWith('README.md'))

  it('name packages of this repository, how each changes, and what a user sees', () => {
    expect(exists('.changeset/config.json')).toBe(true)
    for (const { path, text } of all) {
      const [, head = '', body = ''] = /^---\n([\s\S]*?)---\n([\s\S]*)$/.exec(text) ?? []
      const named = [...head.matchAll(/^'([^']+)': (major|minor|patch)$/gm)].map(([, name]) => name!)
      expect(named.length, path).toBe(head.trim().split('\n').length)
      expect(
        named.filter((name) => !packages.has(name)),
        path,
      ).toEqual([])
      expect(body.trim(), path).not.toBe('')
    }
  })
})
