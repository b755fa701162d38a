/** Agent: one structured question to a model: schema in, schema out, instructions. Tools and loops come with a later release. */
import type { z } from 'zod'
import { KeelsonError } from '../base/errors.ts'
import { assertStorable } from '../base/schema.ts'
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
}

const definitions = new WeakMap<object, AnyAgent>()

/** Defines an agent. Its answer is parsed by `output`, and asked for again when it does not fit. */
export function defineAgent<I extends z.ZodType, O extends z.ZodType>(definition: {
  readonly name: string
  readonly version: number
  readonly input: I
  readonly output: O
  readonly instructions: string
  readonly persona?: Persona
}): Agent<z.input<I>, z.output<O>> {
  const { name, version, input, output, instructions, persona } = definition
  if (!/^[a-z][\w.-]*$/i.test(name)) {
    throw new KeelsonError('DEFINITION_INVALID', `"${name}" is not a name for an agent`, {
      hint: 'Use letters, digits, ".", "-" and "_".',
    })
  }
  assertStorable(input, `the input of agent ${name}`)
  assertStorable(output, `the output of agent ${name}`)
  const made = Object.freeze({ name, version })
  definitions.set(made, { name, version, input, output, instructions, persona })
  return made
}

export function agentOf(value: { readonly name: string }): AnyAgent {
  const found = definitions.get(value)
  if (found !== undefined) return found
  throw new KeelsonError('DEFINITION_INVALID', `"${value.name}" is not an agent`, {
    hint: 'Pass what defineAgent() returned.',
  })
}
