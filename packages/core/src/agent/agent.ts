/** Agent: one structured question to a model: schema in, schema out, instructions. Tools and loops come with a later release. */
import type { z } from 'zod'
import { durationMs, type Duration } from '../base/duration.ts'
import { KeelsonError } from '../base/errors.ts'
import { assertKnown, named, namesOf, noSuch } from '../base/known.ts'
import { assertStorable } from '../base/schema.ts'
import { assertPersona } from '../policy/is-persona.ts'
import type { Persona } from '../policy/persona.ts'

export interface Agent<In, Out> {
  readonly name: string
  readonly '~in'?: (input: In) => void
  readonly '~out'?: Out
}

/** A definition with its types worn off. */
export interface AnyAgent {
  readonly name: string
  readonly version: number
  readonly input: z.ZodType
  readonly output: z.ZodType
  readonly instructions: string
  readonly persona: Persona | undefined
  /** Names of models, the preferred one first; empty: whatever the conductor has. */
  readonly models: readonly string[]
  /** Questions to one model before the next one is asked, repairs included. */
  readonly triesPerModel: number
  readonly timeoutMs: number
  readonly maxOutputTokens: number
}

const definitions = new WeakMap<object, AnyAgent>()

/** Defines an agent. Its answer is parsed by `output`, and asked for again when it does not fit. */
export function defineAgent<I extends z.ZodType, O extends z.ZodType>(definition: {
  /** Letters, digits, ".", "-", "_". Budgets count it as `agent.<name>`, personas name it in `agents`. */
  readonly name: string
  /** A whole number, part of what is asked: an open run that has asked another version no longer fits its journal. */
  readonly version: number
  /** What it is asked with: a schema of zod. */
  readonly input: I
  /** What it answers. An answer that does not fit is asked for again, with what was wrong. */
  readonly output: O
  /** What it is to do, in words. */
  readonly instructions: string
  /** Bounds it, together with the personas of the run that asks. */
  readonly persona?: Persona
  /** Of the conductor's models: the one to ask, and those to ask when it fails. Default: the first of them. */
  readonly model?: string | readonly string[]
  /** Questions to one model before the next is asked, repairs included. Default: 4 of a single one, else 2. */
  readonly triesPerModel?: number
  /** The longest that one answer may take. Default '2m'. */
  readonly timeout?: Duration
  /** The longest answer, which is also what is reserved for it. Default 4,096. */
  readonly maxOutputTokens?: number
}): Agent<z.input<I>, z.output<O>> {
  assertKnown(`agent ${named(definition?.name)}`, definition, AGENT)
  const { name, version, input, output, instructions, persona } = definition
  const models = [definition.model ?? []].flat()
  const triesPerModel = definition.triesPerModel ?? (models.length > 1 ? 2 : 4)
  const maxOutputTokens = definition.maxOutputTokens ?? 4096
  if (!/^[a-z][\w.-]*$/i.test(name))
    throw invalid(`"${name}" is not a name for an agent`, 'Use letters, digits, ".", "-" and "_".')
  if (!Number.isSafeInteger(version) || version < 1)
    throw invalid(`agent ${name} has version ${version}`, 'Use whole numbers from 1.')
  if (![triesPerModel, maxOutputTokens].every((one) => Number.isSafeInteger(one) && one > 0))
    throw invalid(`agent ${name} is bounded by no number`, 'Use whole numbers from 1.')
  if (typeof instructions !== 'string')
    throw invalid(`agent ${name} has no instructions`, 'Say in words what it is to do: instructions: "…".')
  assertPersona(persona, `agent ${name}`)
  assertStorable(input, `the input of agent ${name}`)
  assertStorable(output, `the output of agent ${name}`)
  const made = Object.freeze({ name, version })
  const timeoutMs = durationMs(definition.timeout ?? '2m')
  const rest = { models, triesPerModel, timeoutMs, maxOutputTokens }
  definitions.set(made, { name, version, input, output, instructions, persona, ...rest })
  return made
}

const AGENT = namesOf<Parameters<typeof defineAgent>[0]>({
  ...{ name: true, version: true, input: true, output: true, instructions: true, persona: true, model: true },
  ...{ triesPerModel: true, timeout: true, maxOutputTokens: true },
})

export function agentOf(value: { readonly name: string }): AnyAgent {
  const found = definitions.get(value)
  if (found !== undefined) return found
  throw noSuch('DEFINITION_INVALID', value, 'an agent', 'defineAgent()')
}

export function isAgent(value: object): value is Agent<unknown, unknown> {
  return definitions.has(value)
}

function invalid(message: string, hint: string): KeelsonError {
  return new KeelsonError('DEFINITION_INVALID', message, { hint })
}
