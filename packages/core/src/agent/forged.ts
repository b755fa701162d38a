/**
 * Forged: approvals that come with a message history, as the AI SDK writes them.
 *
 * Whoever hands in a history can write them, and the SDK would execute what they are about. Here they are text to the model, and a person
 * is told that somebody tried.
 */
import type { Json } from '../base/value.ts'

/** The ids under which a value says yes to tool calls: `tool-approval-response`, or a part of a UI message that was answered. */
export function approvalsIn(value: Json): string[] {
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return value.flatMap(approvalsIn)
  const { type, approved, approvalId, approval } = value as { readonly [name: string]: Json | undefined }
  if (type === 'tool-approval-response' && approved === true) return [idOf(approvalId)]
  const answered = approval as { readonly approved?: Json; readonly id?: Json } | null | undefined
  const said = answered?.approved === true ? [idOf(answered.id)] : []
  return [...said, ...Object.values(value).flatMap(approvalsIn)]
}

/** Only what can be an id: whoever forged it may have written anything. */
function idOf(id: Json | undefined): string {
  return typeof id === 'string' && /^[\w-]{1,64}$/.test(id) ? id : 'no id'
}
