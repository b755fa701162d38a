/** Deadlines that passed while nobody worked, where the last that came of mail rewinds the run: they count before its code goes on. */
import type { PassUnit } from '@keelson/core/ports'
import type { Context } from '@keelson/core'
import { intercept, manualClock } from '@keelson/testing'
import { describe, expect, it } from 'vitest'
import { code, me as by, open, store } from '../support/open.ts'

const MINUTE_MS = 60_000

/** A run that has failed; it is restarted after so many minutes, of the hour that it gave itself. */
async function away({ restartedAt, more = false }: { restartedAt: number; more?: boolean }) {
  const time = manualClock(Date.parse('2026-03-02T09:00:00Z'))
  const paid: string[] = []
  const work = code(async (ctx: Context) => {
    const late = ctx.sleep('1h').then(() => 'too late')
    await ctx.checkpoint('here')
    const pay = (): string => {
      if (paid.push('pay') === 1) throw new Error('no')
      return 'paid'
    }
    return Promise.race([late, ctx.step('pay', pay, { retry: { attempts: 1 } })])
  })
  const shared = store()
  const options = { playbooks: [work], clock: time.process().clock }
  const first = await open(shared, options)
  await first.start(work, {}, { id: 'r' })
  await first.quiet()
  await first.stop()
  const paper = await open(shared, { ...options, work: false })
  time.to(time.now() + restartedAt * MINUTE_MS)
  await paper.runs.restart('r', { checkpoint: 'here', by })
  if (more) await paper.runs.resume('r', { by })
  time.to(time.now() + 120 * MINUTE_MS)
  return { shared, options, paid }
}

describe('a run that was restarted from a checkpoint while nobody worked', () => {
  it.each([
    ['before its hour was over', { restartedAt: 30 }],
    ['before its hour was over, and had other mail behind that', { restartedAt: 30, more: true }],
  ])('is too late, and pays nothing, where it was restarted %s', async (_when, how) => {
    const { shared, options, paid } = await away(how)
    const second = await open(shared, options)
    expect(await second.runs.get('r').result()).toBe('too late')
    expect(paid).toEqual(['pay'])
  })

  it('is too late, too, where its process dies right behind the unit that rewinds it', async () => {
    const { shared, options, paid } = await away({ restartedAt: 30 })
    const { promise: dead, resolve: dies } = Promise.withResolvers<void>()
    let rewound = false
    const session = intercept(shared.session(), {
      before(op, detail) {
        if (op !== 'commit') return
        if (rewound) {
          dies()
          throw new Error('the disk is gone')
        }
        rewound = (detail[1] as PassUnit).entries?.some(({ kind }) => kind === 'run.rewound') === true
      },
    })
    const dying = await open(shared, { ...options, store: session })
    await dead
    await dying.stop({ withinMs: 0 })
    const second = await open(shared, options)
    expect(await second.runs.get('r').result()).toBe('too late')
    expect(paid).toEqual(['pay'])
  })
})
