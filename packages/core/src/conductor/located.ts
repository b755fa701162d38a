/** Located: an error as code gets it: it names playbook and step, and its stack is that of the call in the playbook. */
import { KeelsonError, storeError, type StoredError } from '../base/errors.ts'

/** `site`: made where the code called; undefined where nothing can be said. */
export function located(
  playbook: { readonly name: string; readonly version: number },
  thrown: unknown,
  key: unknown,
  site: Error | undefined,
): unknown {
  if (!KeelsonError.is(thrown)) return thrown
  const frames = (site?.stack ?? '').split('\n').slice(1)
  const at = frames.find(isOfHost)?.trim()
  const error = new KeelsonError(thrown.code, thrown.message, {
    ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
    data: {
      ...thrown.data,
      playbook: `${playbook.name}@${playbook.version}`,
      step: String(key),
      ...(at === undefined ? {} : { at }),
    },
  })
  error.name = thrown.name
  error.stack = [
    `${error.name}: ${error.message}`,
    ...(at === undefined ? frames : frames.slice(frames.findIndex((line) => line.trim() === at))),
  ].join('\n')
  return error
}

/** An error of the host's code as it is stored, with the line that threw it; of the rest of its stack nothing is kept. */
export function storedWithPlace(thrown: unknown, more: { readonly playbook?: string } = {}): StoredError {
  const error = storeError(thrown)
  if (KeelsonError.is(thrown)) return error
  const at = placeOf(thrown)
  return { ...error, data: { ...more, ...(at === undefined ? {} : { thrownAt: at }) } }
}

/** The line that threw it, or else the call that failed. */
export function placeIn({ data }: StoredError): string | undefined {
  const at = data?.['thrownAt'] ?? data?.['at']
  return typeof at === 'string' ? at : undefined
}

function placeOf(thrown: unknown): string | undefined {
  try {
    if (!(thrown instanceof Error) || typeof thrown.stack !== 'string') return undefined
    const frames = thrown.stack.slice(0, STACK_MAX).split('\n')
    return frames
      .find((line) => line.trimStart().startsWith('at ') && isOfHost(line))
      ?.trim()
      .toWellFormed()
  } catch {
    return undefined
  }
}

const STACK_MAX = 20_000

/** No frame of Keelson, of another package, or of Node. */
function isOfHost(line: string): boolean {
  const slashed = line.replaceAll('\\', '/')
  return !FOREIGN.some((part) => slashed.includes(part))
}

const FOREIGN = ['/node_modules/', '(node:', 'at node:', 'at async node:', '(<anonymous>)', ...ownFolder()]

/** Where this code lies, as stacks name it. A host may well have a folder of that name. */
function ownFolder(): string[] {
  const here = new Error('here').stack?.split('\n').find((line) => line.trimStart().startsWith('at ')) ?? ''
  const found = /(?:\(|at )([^()]*\/core\/(?:src|dist)\/)/.exec(here.replaceAll('\\', '/'))
  return found === null ? [] : [found[1]!]
}
