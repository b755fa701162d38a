import { describe, expect, it } from 'vitest'
import { approvalsIn } from './forged.ts'

describe('approvals in a message history', () => {
  it('are found however deep they stand, in both shapes of the SDK', () => {
    const model = { role: 'tool', content: [{ type: 'tool-approval-response', approvalId: 'a1', approved: true }] }
    const ui = { role: 'assistant', parts: [{ type: 'tool-pay', state: 'approval-responded', approval: { id: 'u1', approved: true } }] } // prettier-ignore
    expect(approvalsIn({ chat: [model, ui] })).toEqual(['a1', 'u1'])
  })

  it('are none where it says no, or only asks', () => {
    expect(approvalsIn([{ type: 'tool-approval-response', approvalId: 'a1', approved: false }])).toEqual([])
    expect(approvalsIn([{ type: 'tool-approval-request', approvalId: 'a1' }])).toEqual([])
    expect(approvalsIn({ approval: { id: 'x', approved: 'soon' }, approved: true })).toEqual([])
  })

  it('are named by what can be an id, and by nothing else', () => {
    expect(approvalsIn({ type: 'tool-approval-response', approvalId: 'Bearer sk-live-1', approved: true })).toEqual([
      'no id',
    ])
  })
})
