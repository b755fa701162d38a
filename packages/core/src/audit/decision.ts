/** Decision: what was decided on an item, in the words of a story; what the app's own answer means only the app knows. */
import { actorText, type Actor } from '../base/actor.ts'
import type { Json } from '../base/value.ts'

type Said = { readonly [verb: string]: Json | undefined }

/** "Ann approved it (hash nrjtd5DnEvI2…)". */
export function decided(by: Actor | undefined, decision: Json | undefined, hash: string | undefined): string {
  const own = foundAnew(decision)
  if (own !== undefined) return own
  const who = by === undefined ? 'somebody' : actorText(by)
  const what = `${who} ${verbOf(decision) ?? `decided ${JSON.stringify(decision)}`}`
  return hash === undefined ? what : `${what} (hash ${hash.slice(0, 12)}…)`
}

/** What nobody decided: the rules, or the code, are other than when it was asked. */
function foundAnew(decision: Json | undefined): string | undefined {
  const { judged, reshaped } = (decision ?? {}) as { judged?: { reason?: string; verdict?: string }; reshaped?: Json }
  if (judged !== undefined) return `other rules say ${judged.verdict ?? 'otherwise'} by now: ${judged.reason ?? ''}`
  return reshaped === undefined ? undefined : 'its action is defined otherwise than when this was asked'
}

function verbOf(decision: Json | undefined): string | undefined {
  if (typeof decision !== 'object' || decision === null || Array.isArray(decision)) return undefined
  const said = decision as Said
  if (said['approve'] === true) return 'approved it'
  if (said['edit'] !== undefined) return `approved it ${edited(said['edit'])}`
  if (typeof said['reject'] === 'string') return `rejected it: ${said['reject']}`
  if (typeof said['respond'] === 'string') return `asked for it otherwise: ${said['respond']}`
  if (said['answer'] !== undefined) return `answered ${JSON.stringify(said['answer'])}`
  if (said['retry'] === true) return 'had it tried again'
  if (said['dismiss'] === true) return 'dismissed it'
  return typeof said['outcome'] === 'string' ? OUTCOMES[said['outcome']] : undefined
}

const OUTCOMES: { readonly [outcome: string]: string } = {
  happened: 'said that it happened',
  'did-not-happen': 'said that it did not happen',
  'look-again': 'had it looked for again',
}

/** Of a plan, line by line; of an effect, what executes. */
function edited(edit: Json): string {
  const { skip, inputs } = edit as { skip?: Json; inputs?: Json }
  if (!Array.isArray(skip) && typeof inputs !== 'object') return `as ${JSON.stringify(edit)}`
  const others = Object.entries((inputs ?? {}) as Said).map(
    ([line, input]) => `line ${line} as ${JSON.stringify(input)}`,
  )
  const without =
    Array.isArray(skip) && skip.length > 0 ? [`without ${skip.length === 1 ? 'line' : 'lines'} ${skip.join(', ')}`] : []
  return [...without, ...others].join(', and ') || 'as it stands'
}

/** What the rules said of the lines of a plan: `then` when it was made, or again. */
export function judgedText(
  then: string,
  judged: readonly (readonly [line: string, denied: string | undefined])[],
): string {
  const denied = judged.flatMap(([line, why]) => (why === undefined ? [] : `line ${line}: ${why}`))
  return `${then}${denied.length === 0 ? '' : `; denied: ${denied.join(', ')}`}`
}

/** The lines of a plan as they were judged; undefined of any other step. */
export function planLines(key: string, ok: Json | undefined): (readonly [string, string | undefined])[] | undefined {
  if (!/(^|\.)propose(#\d+)?\/lines$/.test(key) || !Array.isArray(ok)) return undefined
  return ok.map((line, i) => {
    const { id = String(i + 1), denied } = (line ?? {}) as { id?: string; denied?: string }
    return [id, denied]
  })
}
