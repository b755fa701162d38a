/** Template: a text of the operator's with names to fill in, versioned; what is made from it records the version. */
import { KeelsonError } from '../base/errors.ts'
import { withZod } from '../base/zod.ts'
import { artifactRef, type ArtifactRef, type Made } from './artifact.ts'
import { registerEntity } from './entity.ts'

const templateSchema = withZod((z) =>
  z.object({ name: z.string().min(1), artifact: artifactRef(z), note: z.string().optional() }),
)

/** Templates are entities of the operator's, one per name; their texts are artifacts. */
export const Template = registerEntity(templateSchema, {
  name: 'template',
  version: 1,
  key: (template) => template.name,
  index: ['name'],
  owner: 'operator',
})

/** A text made from a template. As `because`, and kept as an artifact, it says which version it was. */
export type Filled = Made

export interface TemplateText {
  readonly id: string
  readonly name: string
  readonly version: number
  readonly text: string
  readonly artifact: ArtifactRef
}

export interface Templates {
  /** The present text, or that of an earlier version. Throws `ENTITY_NOT_FOUND`. */
  get(name: string, options?: { version?: number }): Promise<TemplateText>
  /** The text with `{{name}}` replaced. Throws `TEMPLATE_INCOMPLETE` for a name too few or too many. */
  fill(
    name: string,
    values: { readonly [name: string]: string | number },
    options?: { version?: number },
  ): Promise<Filled>
}

const NAME = /\{\{\s*([\w.-]+)\s*\}\}/g

/** The names that a text asks for. */
export function namesIn(text: string): string[] {
  return [...new Set([...text.matchAll(NAME)].map(([, name]) => name!))]
}

export function fill(template: TemplateText, values: { readonly [name: string]: string | number }): Filled {
  const { id, name, version, text } = template
  const names = namesIn(text)
  const missing = names.filter((one) => !Object.hasOwn(values, one))
  const spare = Object.keys(values).filter((one) => !names.includes(one))
  if (missing.length + spare.length > 0) {
    const said = [
      ...(missing.length === 0 ? [] : [`lacks ${missing.join(', ')}`]),
      ...(spare.length === 0 ? [] : [`does not use ${spare.join(', ')}`]),
    ]
    throw new KeelsonError('TEMPLATE_INCOMPLETE', `template "${name}" version ${version} ${said.join(' and ')}`, {
      hint: 'Pass exactly the names that it uses.',
      data: { template: name, version },
    })
  }
  const filled = text.replaceAll(NAME, (_, one: string) => String(values[one]))
  return Object.freeze({ type: 'template', id, version, name, text: filled })
}
