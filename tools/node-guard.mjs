/**
 * Stops with a clear message when tests would run on a Node that is too old: better-sqlite3 crashes the process there.
 *
 * `npm run`, `npm test` and `npx` use the Node 24 that the repository installs; a bare `node` or an editor may not.
 */
import { fileURLToPath } from 'node:url'

/** The version when it is too old, undefined when it will do. */
export const tooOld = (version) => {
  const [major, minor] = version.split('.').map(Number)
  return major > 22 || (major === 22 && minor >= 18) ? undefined : version
}

/** Vitest calls this as its global setup; `npm test` runs the file before vitest starts. */
export default function guard() {
  const found = tooOld(process.versions.node)
  if (found === undefined) return
  throw new Error(
    `Keelson needs Node >= 22.18 and this is ${found}. Run 'npm ci' (with install scripts), then 'npm test' or ` +
      `'npx vitest': both use the Node 24 of the repository.`,
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    guard()
  } catch (error) {
    console.error(error.message)
    process.exit(1)
  }
}
