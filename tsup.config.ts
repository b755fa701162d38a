/** How every package is built: its source exports, as ES modules with declarations; dependencies stay outside. */
import { readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

/** Run in a package's folder, so the build can never disagree with what the package says it exports. */
const exported = Object.values((JSON.parse(readFileSync('package.json', 'utf8')) as { exports: object }).exports)
  .map((target: string | Record<string, string>) =>
    typeof target === 'string' ? undefined : target['@keelson/source'],
  )
  .filter((source) => source !== undefined)

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
})
