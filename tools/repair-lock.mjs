/**
 * Adds the optional binaries of other platforms that npm left out of package-lock.json, so that `npm ci` finds them.
 *
 * A registry that lacks some of these packages makes `npm install` omit them without a word; `npm ci` then stops with
 * "Missing: … from lock file". The entries carry no integrity hash. Nothing missing: the file stays as it is.
 */
import { readFileSync, writeFileSync } from 'node:fs'

const OS = 'darwin linux win32 freebsd netbsd openbsd android openharmony sunos aix'.split(' ')
const CPU = 'arm64 x64 ia32 arm riscv64 ppc64 s390x loong64 mips64el wasm32'.split(' ')

const file = new URL('../package-lock.json', import.meta.url)
const before = readFileSync(file, 'utf8')
const lock = JSON.parse(before)
const added = []

for (const [where, pkg] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(pkg.optionalDependencies ?? {})) {
    if (lock.packages[`node_modules/${name}`] || lock.packages[`${where}/node_modules/${name}`]) continue
    if (!/^\d+\.\d+\.\d+/.test(version)) continue
    const words = name.replace('arm-', 'arm ').split(/[^a-z0-9]+/)
    const os = OS.find((o) => words.includes(o))
    const cpu = CPU.find((c) => words.includes(c))
    if (!os || !cpu) continue
    const dev = pkg.dev ? { dev: true } : {}
    lock.packages[`node_modules/${name}`] = { version, cpu: [cpu], ...dev, optional: true, os: [os] }
    added.push(`${name}@${version}`)
  }
}

if (added.length > 0) {
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)))
  writeFileSync(file, JSON.stringify(lock, null, 2) + '\n')
}
console.log(added.length > 0 ? `added ${added.length}: ${added.join(', ')}` : 'nothing missing')
