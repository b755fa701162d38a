/** How every package is built: its source exports, as ES modules with declarations; dependencies stay outside. */
import { globSync, readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

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
  // Texts and templates are escaped; what esbuild leaves as it is (patterns, comments inside an expression) is refused.
  esbuildOptions: (options) => void (options.charset = 'ascii'),
  onSuccess: async () => assertAscii(),
})
