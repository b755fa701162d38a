/** All: a branch per item, each with names of its own, so that branches may race and still replay the same. */
import { KeelsonError } from '../../base/errors.ts'
import { named } from '../../base/known.ts'
import type { Context } from '../../playbook/context.ts'
import type { Place } from './place.ts'
import type { Pass } from '../pass.ts'
import { withdrawal } from '../closing.ts'
import { tooMany } from './caps.ts'
import { Keys } from './keys.ts'
import { given } from './options.ts'

interface Branch<T> {
  readonly item: T
  readonly place: Place
}

export async function all<T, R>(
  pass: Pass,
  place: Place,
  contextOf: (place: Place) => Context,
  items: readonly T[],
  keyOf: (item: T) => string,
  branch: (ctx: Context, item: T) => Promise<R>,
  options: { atOnce?: number; onError?: 'wait' | 'cancel' } = {},
): Promise<R[]> {
  assertGiven(items, keyOf, branch)
  const key = place.keys.next('all')
  const begun = [...pass.history.ops.keys()].some((one) => one.startsWith(`${key}[`))
  given('all', options, begun)
  const branches = items.map((item) => ({ item, place: placeOf(place, `${key}[${nameOf(keyOf(item))}].`) }))
  if (items.length > pass.task.env.limits.fanOutMax && !begun)
    throw tooMany(pass, `ctx.all was given ${items.length} items`)
  const prefixes = new Set(branches.map((one) => one.place.keys.prefix))
  if (prefixes.size < branches.length) {
    throw new KeelsonError('STEP_KEY_NEEDED', `two items of ctx.all have the same key`, {
      hint: 'Give each item a key of its own.',
    })
  }
  const results = new Array<R>(items.length)
  const errors = new Map<number, unknown>()
  const failed = Promise.withResolvers<never>()
  failed.promise.catch(() => {})
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < branches.length && !(options.onError === 'cancel' && errors.size > 0)) {
      const i = next++
      const { item, place: own } = branches[i]!
      try {
        results[i] = await branch(contextOf(own), item)
      } catch (error) {
        errors.set(i, error)
        failed.reject(error)
      }
    }
  }
  const lanes = Promise.all(Array.from({ length: Math.min(options.atOnce ?? branches.length, branches.length) }, lane))
  if (options.onError === 'cancel') {
    try {
      await Promise.race([lanes, failed.promise])
    } catch (error) {
      giveUp(pass, branches)
      throw error
    }
  } else {
    await lanes
  }
  const first = [...errors.keys()].sort((a, b) => a - b)[0]
  if (first !== undefined) throw errors.get(first)
  return results
}

/** What is no list would be walked over, or not, as it happens to be made. */
function assertGiven(items: unknown, keyOf: unknown, branch: unknown): void {
  const wrong = !Array.isArray(items)
    ? [`ctx.all was given ${named(items)} in place of a list`, 'Make a list of it: [...items].']
    : typeof keyOf !== 'function'
      ? ['the key of ctx.all is no function', 'Say what names an item: item => item.id.']
      : typeof branch !== 'function'
        ? ['the branch of ctx.all is no function', 'Write ctx.all(items, item => item.id, (ctx, item) => …).']
        : undefined
  if (wrong !== undefined) throw new KeelsonError('INPUT_INVALID', wrong[0]!, { hint: wrong[1]! })
}

function nameOf(key: unknown): string {
  const text = String(key)
  if (text.isWellFormed()) return encodeURIComponent(text)
  throw new KeelsonError('INPUT_INVALID', 'the key of an item of ctx.all holds half of a surrogate pair', {
    hint: 'Name each item by a key that is whole text, such as its id.',
  })
}

function placeOf(parent: Place, prefix: string): Place {
  return { keys: new Keys(prefix), memory: parent.memory, ended: false }
}

/** The other branches no longer count: what they wait for is withdrawn, what they still run is ignored. */
function giveUp<T>(pass: Pass, branches: readonly Branch<T>[]): void {
  for (const { place } of branches) place.ended = true
  const prefixes = new Set(branches.map(({ place }) => place.keys.prefix))
  const from = branches[0]!.place.keys.prefix.lastIndexOf('[')
  const lost = [...pass.history.ops.values()].filter(
    (op) => op.outcome === undefined && prefixes.has(op.key.slice(0, op.key.indexOf('].', from) + 2)),
  )
  for (const op of lost) {
    pass.replay?.forget(op.key)
    pass.waits.delete(op.key)
    if (op.withdrawn) continue
    pass.replay?.whenLive(op.key, () => {
      op.withdrawn = true
      void pass.writer.submit(async () => ({
        drafts: [{ kind: 'op.withdrawn', key: op.key, data: { puts: await withdrawal(pass, op) } }],
      }))
    })
  }
}
