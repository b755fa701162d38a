/** Located: an error as code gets it: it names playbook and step, and its stack is that of the call in the playbook. */
import { KeelsonError } from '../base/errors.ts'

/** `site`: made where the code called; undefined where nothing can be said. */
export function located(
  playbook: { readonly name: string; readonly version: number },
  thrown: unknown,
  key: unknown,
  site: Error | undefined,
): unknown {
  if (!KeelsonError.is(thrown)) return thrown
  const frames = (site?.stack ?? '').split('\n').slice(1)
  const at = frames.find((line) => !line.includes('/conductor/') && !line.includes('/core/dist/'))?.trim()
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
