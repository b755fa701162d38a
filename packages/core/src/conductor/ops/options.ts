/** Options: what the verbs of `ctx` take beside their subject. They are looked at only where some are given. */
import { durationMs, type Duration } from '../../base/duration.ts'
import { KeelsonError } from '../../base/errors.ts'
import { assertKnown, assertLists, assertOneOf, COUNT, isCount, named, namesOf } from '../../base/known.ts'
import type { ActOptions, DelegateOptions, ProposeOptions, Retry, StepOptions } from '../../playbook/context.ts'
import type { ScopeOptions, WorkingOptions } from '../../memory/handle.ts'
import { ON_SILENCE } from '../../policy/verdict.ts'

type Patience = Pick<ProposeOptions, 'timeout' | 'onSilence' | 'escalate'>
const PATIENCE = { timeout: true, onSilence: true, escalate: true } as const
const ACT = namesOf<ActOptions<unknown>>({ because: true, key: true, revise: true, maxAge: true })
const FROM = namesOf<{ because?: unknown }>({ because: true })

const NAMES = {
  step: namesOf<StepOptions>({ retry: true, timeout: true }),
  act: ACT,
  effect: ACT,
  delegate: namesOf<DelegateOptions>({ about: true, because: true }),
  ask: namesOf<Patience & { answer: unknown }>({ ...PATIENCE, answer: true }),
  approve: namesOf<Patience>(PATIENCE),
  intend: namesOf<{ because?: unknown; key?: string }>({ because: true, key: true }),
  propose: namesOf<ProposeOptions>({ ...PATIENCE, onFailure: true, revise: true }),
  waitFor: namesOf<{ match?: object; timeout?: Duration; since?: number }>({ match: true, timeout: true, since: true }),
  all: namesOf<{ atOnce?: number; onError?: string }>({ atOnce: true, onError: true }),
  'memory.remember': FROM,
  'memory.append': FROM,
  'memory.propose': namesOf<{ because?: unknown; reason: string }>({ because: true, reason: true }),
  'memory.working': namesOf<WorkingOptions>({ version: true, upcast: true }),
  'memory.scope': namesOf<ScopeOptions>({ read: true, maxSensitivity: true }),
} as const
const RETRY = namesOf<Retry>({ attempts: true, first: true, longest: true })

const LISTS: { readonly [option: string]: readonly string[] } = {
  onSilence: ON_SILENCE,
  onFailure: ['stop', 'continue'],
  onError: ['wait', 'cancel'],
}

/**
 * The same options. Throws `INPUT_INVALID` for one that the verb does not have, or whose value is none. What a run has `begun` goes on by
 * whatever values it began with.
 */
export function given<O extends object | undefined>(verb: keyof typeof NAMES, options: O, begun = false): O {
  if (options === undefined) return options
  assertKnown(`ctx.${verb}`, options, NAMES[verb], 'INPUT_INVALID')
  assertLists(`ctx.${verb}`, options)
  for (const [name, list] of Object.entries(LISTS))
    if (NAMES[verb].includes(name))
      assertOneOf(`${name} of ctx.${verb}`, (options as Record<string, unknown>)[name], list, 'INPUT_INVALID')
  if (begun) return options
  for (const [name, [fits, hint]] of Object.entries(VALUES))
    if (NAMES[verb].includes(name))
      assertFits(`${name} of ctx.${verb}`, (options as Record<string, unknown>)[name], fits, hint)
  if (verb === 'step') assertStep(options)
  return options
}

type Fits = (value: unknown) => boolean

const VALUES: { readonly [option: string]: readonly [Fits, hint: string] } = {
  atOnce: [isCount, COUNT],
  key: [(value) => typeof value === 'string' && value.isWellFormed(), 'Give a text: what makes it another effect.'],
  since: [Number.isFinite, 'Give an instant in milliseconds, as of ctx.now().'],
}

function assertStep({ retry, timeout }: StepOptions): void {
  if (timeout !== undefined) durationMs(timeout)
  if (retry === undefined) return
  assertKnown('retry of ctx.step', retry, RETRY, 'INPUT_INVALID')
  assertFits('attempts of retry of ctx.step', retry.attempts, isCount, COUNT)
  if (retry.first !== undefined) durationMs(retry.first)
  if (retry.longest !== undefined) durationMs(retry.longest)
}

function assertFits(what: string, value: unknown, fits: Fits, hint: string): void {
  if (value === undefined || fits(value)) return
  throw new KeelsonError('INPUT_INVALID', `${what} is ${named(value)}`, { hint })
}
