/** Options: what the verbs of `ctx` take beside their subject. They are looked at only where some are given. */
import type { Duration } from '../../base/duration.ts'
import { assertKnown, assertLists, assertOneOf, namesOf } from '../../base/known.ts'
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

/** The same options. Throws `INPUT_INVALID` for one that the verb does not have. */
export function given<O extends object | undefined>(verb: keyof typeof NAMES, options: O): O {
  if (options === undefined) return options
  assertKnown(`ctx.${verb}`, options, NAMES[verb], 'INPUT_INVALID')
  assertLists(`ctx.${verb}`, options)
  for (const [name, list] of Object.entries(LISTS))
    if (NAMES[verb].includes(name))
      assertOneOf(`${name} of ctx.${verb}`, (options as Record<string, unknown>)[name], list, 'INPUT_INVALID')
  const { retry } = options as StepOptions
  if (verb === 'step' && retry !== undefined) assertKnown('retry of ctx.step', retry, RETRY, 'INPUT_INVALID')
  return options
}
