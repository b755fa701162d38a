/** How every package is built: its source exports, as ES modules with declarations; dependencies stay outside. */
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { defineConfig, type Options } from 'tsup'

/** Run in a package's folder, so the build can never disagree with what the package says it exports. */
const exported = Object.values((JSON.parse(readFileSync('package.json', 'utf8')) as { exports: object }).exports)
  .map((target: string | Record<string, string>) =>
    typeof target === 'string' ? undefined : target['@keelson/source'],
  )
  .filter((source) => source !== undefined)

/** V8 keeps a module that holds any other letter as two-byte text: twice its size, for as long as the process lives. */
function assertAscii(): void {
  const wide = globSync('dist/**/*.js').filter((file) => /[^\0-\x7f]/.test(readFileSync(file, 'utf8')))
  if (wide.length > 0)
    throw new Error(`not ASCII: ${wide.join(', ')}. Write \\u escapes in a pattern, words in a comment.`)
}

/** What a package takes into itself instead of depending on it (decision 0028): only what is in its devDependencies can be. */
const TAKEN_IN = ['kysely']

/** Their comments, which are most of their text, stay out. */
const bare: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'bare',
  setup(build) {
    const filter = new RegExp(`/node_modules/(${TAKEN_IN.join('|')})/.*\\.js$`)
    build.onLoad({ filter }, async ({ path }) => {
      const { code } = await build.esbuild.transform(readFileSync(path, 'utf8'), { minifyWhitespace: true })
      return { contents: code }
    })
  },
}

/** Writes the licences of what was taken in beside it, and refuses what was not meant to be. */
function writeLicences(): void {
  const files = globSync('dist/**/*.js').map((file) => readFileSync(file, 'utf8'))
  const modules = files.flatMap((text) => [...text.matchAll(/^\/\/ .*\/node_modules\/((?:@[^/\n]+\/)?[^/\n]+)\//gm)])
  const names = [...new Set(modules.map(([, name]) => name as string))]
  const stray = names.filter((name) => !TAKEN_IN.includes(name))
  if (stray.length > 0) throw new Error(`built in, though not named in TAKEN_IN: ${stray.join(', ')}`)
  for (const name of names)
    writeFileSync(`dist/LICENSE.${name}`, readFileSync(new URL(`node_modules/${name}/LICENSE`, import.meta.url)))
}

export default defineConfig({
  entry: Object.fromEntries(
    exported.map((source) => [source.replace(/^\.\/src\//, '').replace(/\.ts$/, ''), source.replace(/^\.\//, '')]),
  ),
  format: ['esm'],
  target: 'node22',
  platform: 'node',
  dts: true,
  sourcemap: true,
  splitting: true,
  clean: true,
  esbuildPlugins: [bare],
  // Texts and templates are escaped; what esbuild leaves as it is (patterns, comments inside an expression) is refused.
  esbuildOptions: (options) => void (options.charset = 'ascii'),
  onSuccess: async () => {
    assertAscii()
    writeLicences()
  },
})
