/** Raise: something about a run that a person must look at, as an item of kind 'attention'; and its end. */
import { canonical } from '../base/json.ts'
import type { Put } from '../journal/put.ts'
import { asking, closing, itemHash, itemId, itemPut, readItem, type ItemRecord } from './item.ts'
import type { Pass } from './pass.ts'

export interface Raising {
  readonly code: string
  readonly title: string
  readonly hint: string
  /** What is shown, instead of title and hint. */
  readonly text?: string
  readonly allows?: ItemRecord['allows']
  readonly stays?: ItemRecord['stays']
}

/** Opens, or opens anew, the run's attention item. */
export async function raise(pass: Pass, about: Raising): Promise<Put[]> {
  const { env, claimed } = pass.task
  const id = attentionId(pass)
  const found = await readItem(env.store, claimed.row.workspace, id)
  const bare: Omit<ItemRecord, 'hash'> = {
    id,
    kind: 'attention',
    state: 'open',
    run: claimed.row.id,
    key: '',
    title: about.title.slice(0, 500).toWellFormed(),
    openedAt: env.clock.now(),
    onSilence: 'wait',
    reminders: 0,
    allows: about.allows ?? ['retry', 'dismiss'],
    ...asking(claimed.row.playbook, claimed.row.version),
    why: [{ label: `run ${claimed.row.id}`, trust: 'connector', ref: `run:${claimed.row.id}` }],
    preview: { kind: 'text', after: about.text ?? `${about.title}\n\n${about.hint}` },
    editSchema: {},
    code: about.code,
    hint: about.hint,
    ...(about.stays === undefined ? {} : { stays: about.stays }),
    ...(found === undefined ? {} : { was: [...(found.item.was ?? []), found.item.hash].slice(-20) }),
  }
  env.emit('item.opened', {
    workspace: claimed.row.workspace,
    run: claimed.row.id,
    playbook: pass.task.playbook.name,
    item: id,
    title: bare.title,
    kind: 'attention',
    allows: bare.allows,
    code: about.code,
    advice: about.hint,
  })
  return [
    itemPut(
      { ...bare, hash: itemHash({ ...bare, title: canonical([about.title, bare.openedAt]) }) },
      (found?.version ?? 0) + 1,
    ),
  ]
}

/** Whether people know of it: it waits for them, or somebody has dismissed it. One who had it tried again hears of it again. */
export async function isKnown(pass: Pass): Promise<boolean> {
  const found = await readItem(pass.task.env.store, pass.task.claimed.row.workspace, attentionId(pass))
  const decision = (found?.item.decided?.decision ?? {}) as { retry?: true }
  return found?.item.state === 'open' || (found?.item.state === 'decided' && decision.retry !== true)
}

/** The run went on: what was raised about it is closed. */
export async function recover(pass: Pass): Promise<void> {
  await pass.writer.submit(async () => ({
    drafts: [{ kind: 'run.recovered', data: { puts: await withdrawn(pass) } }],
  }))
}

/** What closes what was raised about the run. What a revert could not take back stays, however it ends. */
export async function withdrawn(pass: Pass): Promise<Put[]> {
  const { env, claimed } = pass.task
  const id = attentionId(pass)
  const found = await readItem(env.store, claimed.row.workspace, id)
  return found?.item.stays === undefined ? closing(env.store, claimed.row.workspace, [id], 'withdrawn') : []
}

function attentionId(pass: Pass): string {
  return itemId(pass.task.claimed.row.id, 'attention', 0)
}
