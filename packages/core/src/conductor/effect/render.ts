/** Render: what a person is shown of an input: the connector's own rendering, or all fields; never prose of a model. */
import { canonical, stored } from '../../base/json.ts'
import { moneyText } from '../../base/money.ts'
import { fromStored } from '../../base/schema.ts'
import type { Json } from '../../base/value.ts'
import type { AnyAction } from '../../connector/action.ts'
import { previewFrom, type Preview } from '../../connector/preview.ts'
import type { Pass } from '../pass.ts'
import { configOf, timedOut, within } from './send.ts'

export async function previewOf(pass: Pass, action: AnyAction, input: Json): Promise<Preview> {
  try {
    const { env, claimed } = pass.task
    const { preview, timeoutMs } = action
    if (preview === undefined) return fieldsOf(input)
    const config = await configOf(env, claimed.row.workspace, action)
    const value = fromStored(action.input, canonical(input))
    const made = await within(env, timeoutMs, timedOut(action), () => preview(value, { config, signal: pass.signal }))
    const fitting = previewFrom(made)
    if (fitting !== undefined) return stored(fitting) as unknown as Preview
  } catch {
    // a preview that throws or cannot be kept must not hide what would execute: all fields are shown instead
  }
  return fieldsOf(input)
}

/** All fields of an input, as they stand; money as people read it. */
export function fieldsOf(input: Json): Preview {
  if (typeof input !== 'object' || input === null) return { kind: 'text', after: String(input) }
  const rows = Object.entries(input as Record<string, Json>).map(([label, value]) => ({
    label,
    after: typeof value === 'string' ? value : (moneyText(value) ?? canonical(value)),
  }))
  return { kind: 'fields', rows }
}
