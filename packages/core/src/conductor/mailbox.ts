/** Mailbox: takes a run's mail, and the deadlines that have passed, into its stream, in order and once. */
import type { Entry } from '../journal/entry.ts'
import type { History } from '../journal/fold.ts'
import type { Claimed, Mail, NewRun } from '../journal/store.ts'
import type { Environment } from './environment.ts'
import { digest, type DigestAt } from './mail.ts'
import { ESCALATION_PLAYBOOK } from './notice.ts'
import type { Climbed } from './silence.ts'
import { newRun } from './start.ts'
import type { Writer } from './writer.ts'

/** Mail that running code must not live to see: a new pass takes it in. */
const CONTROL: ReadonlySet<string> = new Set(['cancel', 'pause', 'rewind', 'move', 'suspend'])

export interface MailboxOptions {
  readonly env: Environment
  readonly claimed: Claimed
  readonly writer: Writer
  readonly history: () => History
  /** All entries of the stream, while the code has not begun; undefined once it has. */
  readonly entries: () => readonly Entry[] | undefined
  readonly onControl: (kind: string) => void
  readonly over: () => boolean
  readonly leave: DigestAt['leave']
  readonly setByHand: DigestAt['setByHand']
}

export class Mailbox {
  readonly #options: MailboxOptions
  #seen = 0
  #absorbing: Promise<void> | undefined
  #again = false

  constructor(options: MailboxOptions) {
    this.#options = options
  }

  /** The highest mail row that was taken in. */
  get seen(): number {
    return this.#seen
  }

  /** Takes in what there is. */
  async absorb(first?: readonly Mail[]): Promise<void> {
    if (this.#absorbing !== undefined) {
      this.#again = true
      return this.#absorbing
    }
    if (first?.length === 0 && this.#options.history().ops.size === 0) return // nothing came, and nothing waits
    this.#absorbing = this.#all(first)
    try {
      await this.#absorbing
    } finally {
      this.#absorbing = undefined
      if (this.#again && !this.#options.over()) {
        this.#again = false
        void this.absorb()
      }
    }
  }

  /** As by mail that may not have come yet, or that could not count before: what runs is recorded, and the pass ends. */
  overtaken(by: 'suspend' | 'cancel'): undefined {
    this.#options.onControl(by)
  }

  /** A rewind is written before what came behind it is judged, and the deadlines that have passed. */
  async #all(first: readonly Mail[] | undefined): Promise<void> {
    let rest = await this.#absorb(first)
    while (rest !== undefined && !this.#options.over()) rest = await this.#absorb(rest)
  }

  /** Answers what is left for another unit; undefined: there is to be no other. */
  async #absorb(first: readonly Mail[] | undefined): Promise<readonly Mail[] | undefined> {
    const { env, claimed, writer, history, entries, onControl, leave, setByHand } = this.#options
    const { store, clock } = env
    const { workspace, id: run, order, createdAt } = claimed.row
    let last: number | undefined
    let rest: readonly Mail[] | undefined
    await writer.submit(async () => {
      const mail = first ?? (await store.mail(claimed.lease, this.#seen)) // the same again after a conflict
      last = undefined
      rest = undefined
      const all = entries()
      const control = all === undefined ? mail.find((one) => CONTROL.has(one.kind)) : undefined
      if (control !== undefined) {
        onControl(control.kind)
        return undefined
      }
      const found = await digest(history(), mail, clock.now(), {
        ...{ store, workspace, run, order, createdAt, key: () => env.company(workspace).key() },
        entries: async () => all ?? [],
        leave,
        setByHand,
      })
      last = found.consumed.at(-1)
      rest = found.rest
      if (found.drafts.length === 0 && found.consumed.length === 0) return undefined
      const starts = [...found.starts, ...found.climbed.map((one) => escalationRun(env, workspace, one))]
      return { drafts: found.drafts, consumed: found.consumed, starts, expect: found.expect }
    })
    this.#seen = Math.max(this.#seen, last ?? 0)
    return rest
  }
}

/** The run that tells of a rung, started in the unit that records it. */
function escalationRun(env: Environment, workspace: string, climbed: Climbed): NewRun {
  return newRun(env.catalog.newest(ESCALATION_PLAYBOOK)!, {
    workspace,
    id: `escalation:${climbed.item}:${climbed.rung}`,
    input: climbed,
    now: env.clock.now(),
    salt: () => env.ids.salt(),
  })
}
