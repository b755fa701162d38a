/** Sources as items show them, those that earlier releases have named included. */
import { describe, expect, it } from 'vitest'
import { sources } from './items.ts'

const spec = { playbook: 'work@1', owner: { run: 'r', key: 'send' } }
const trusts = (given: Pick<Parameters<typeof sources>[0], 'because' | 'labels'>): string[] =>
  sources({ ...spec, ...given }).map(({ trust }) => trust)

describe('sources of an earlier release', () => {
  const because = [
    { entity: 'lead', id: 'l1', version: 2 },
    { step: 'mail.read', readAt: '2026-01-05T09:00:00.000Z' },
    { value: 'hash' },
  ]

  it('are shown by their kind, for nothing else is known of them', () => {
    expect(trusts({ because })).toEqual(['operator', 'operator', 'connector', 'outside'])
    expect(sources({ ...spec, because }).map(({ at }) => at)).toEqual([
      ...[undefined, undefined, '2026-01-05T09:00:00.000Z', undefined],
    ])
  })

  it('are vouched for by nobody where their effect is known to be untrusted', () => {
    const labels = { untrusted: ['mail.read'] }
    expect(trusts({ because: because.slice(0, 2), labels })).toEqual(['outside', 'operator', 'connector'])
    expect(trusts({ because: [], labels })).toEqual(['outside'])
  })
})

describe('sources', () => {
  it('that an outsider may have written say so, and leave who asks as it is', () => {
    const because = [{ entity: 'lead', id: 'l1', version: 2, untrusted: true }, { step: 'rates.read' }]
    expect(trusts({ because, labels: { untrusted: ['host'] } })).toEqual(['operator', 'outside', 'connector'])
  })
})
