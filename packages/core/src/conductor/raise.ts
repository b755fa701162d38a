/** Raise: something about a run that a person must look at, as an item of kind 'attention'; and its end. */
import { canonical } from '../base/json.ts'
import type { Put } from '../journal/put.ts'
import type { Environment } from './environment.ts'
import { asking, closing, itemHash, itemId, itemPut, readItem, type Asking, type ItemRecord } from './item.ts'
import type { Pass } from './pass.ts'

/** What is to be looked at. */
export interface Attention extends Pick<ItemRecord, 'id' | 'run' | 'title' | 'allows'> {
  readonly stays?: ItemRecord['stays'] | undefined
  readonly code: string
  readonly hint: string
  /** What is shown, instead of title and hint. */
  readonly text?: string | undefined
  readonly playbook?: Asking | undefined
}

/** An item of it: opened, or opened anew over the one that was found, under a hash of its own. */
export function attention(
  env: Environment,
  { id, run, title, allows, stays, code, hint, text, playbook }: Attention,
  found: Awaited<ReturnType<typeof readItem>>,
): Put {
  const openedAt = env.clock.now()
  const bare: Omit<ItemRecord, 'hash'> = {
    id,
    kind: 'attention',
    state: 'open',
    run,
    key: '',
    title: title.slice(0, 500).toWellFormed(),
    openedAt,
    onSilence: 'wait',
    reminders: 0,
    allows,
    ...(playbook === undefined ? {} : asking(playbook.name, playbook.version)),
    why: [{ label: `run ${run}`, trust: 'connector', ref: `run:${run}` }],
    preview: { kind: 'text', after: text ?? `${title}\n\n${hint}` },
    editSchema: {},
    code,
    hint,
    ...(stays === undefined ? {} : { stays }),
    ...(found === undefined ? {} : { was: [...(found.item.was ?? []), found.item.hash].slice(-20) }),
  }
  const hash = itemHash({ ...bare, title: canonical([title, openedAt]) })
  return itemPut({ ...bare, hash }, (found?.version ?? 0) + 1)
}

/** Tells whoever listens that it was opened. */
export function tellOpened(env: Environment, workspace: string, put: Put, playbook = ''): void {
  const { id: item, run, title, kind, allows, code, hint } = put.data as unknown as ItemRecord
  const about = { workspace, run, playbook, item, title, kind, allows }
  env.emit('item.opened', {
    ...about,
    ...(code === undefined ? {} : { code }),
    ...(hint === undefined ? {} : { advice: hint }),
  })
}

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
  const { workspace, id: run, playbook: name, version } = claimed.row
  const id = attentionId(pass)
  const found = await readItem(env.store, workspace, id)
  const allows = about.allows ?? ['retry', 'dismiss']
  const put = attention(env, { ...about, id, run, allows, playbook: { name, version } }, found)
  tellOpened(env, workspace, put, pass.task.playbook.name)
  return [put]
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
