/** Approvals: the page on which people decide: any item of the inbox as one card, and why a decision was refused. */
import type { Actor, Decided, Decision, InboxItem, Json, Provenance, Workspace } from '@keelson/core'
import { edited, editFields, outcomeFields, outcomeOf, words } from './edits.ts'
import { entered, fields } from './fields.ts'
import { brief, markup, maybe, table, type Markup, type Page, type Shown } from './markup.ts'

// #region pages
export async function list({ inbox }: Workspace, after: string | null): Promise<Page> {
  const { items, next } = await inbox.list(after === null ? {} : { after })
  const each = items.map((item) => markup`<li><a href="/approvals/${item.id}">${item.title}</a> ${brief(item.preview)}`)
  const more = maybe(next, (at) => markup`<a href="/approvals?after=${encodeURIComponent(at)}">More</a>`)
  return { title: 'Approvals', body: markup`<ul>${each}</ul>${more ?? markup`<p>Nothing else waits for you.`}` }
}

export async function look({ inbox }: Workspace, id: string, by: Actor): Promise<Page> {
  const item = await inbox.get(id)
  await inbox.opened(id, { by })
  return { title: item.title, body: card(item) }
}

/** A page that says why it was not decided; undefined when it was. */
export async function decide({ inbox }: Workspace, id: string, by: Actor, form: URLSearchParams) {
  const item = await inbox.get(id)
  const verb = ways(item).find((each) => each === form.get('verb'))
  if (verb === undefined) return { title: item.title, status: 400, body: card(item) }
  const said = verb === 'snooze' ? undefined : VERBS[verb].said(form, item)
  const hash = form.get('hash') ?? ''
  const decided = await (said ? inbox.decide(id, { hash, by, ...said }) : inbox.snooze(id, { by, until: '1d' }))
  if (decided.status === 'done') return undefined
  const draft = decided.why === 'invalid' && said !== undefined && 'edit' in said ? (said.edit as Json) : undefined
  const alert = markup`<p role="alert"><b>${REFUSED[decided.why]}</b>: ${decided.message}`
  return { title: item.title, status: 409, body: markup`${alert}${card(decided.item ?? item, draft)}` }
}
// #endregion

const REFUSED: { readonly [why in (Decided & { status: 'refused' })['why']]: string } = {
  ...{ settled: 'Already decided', changed: 'It has changed', expired: 'Too late' },
  ...{ forbidden: 'Not yours to decide', invalid: 'That does not fit' },
}

// #region verbs
type Verb = Exclude<InboxItem['allows'][number], 'snooze' | 'delegate'>
type Asked = {
  asks?: (item: InboxItem, draft?: Json) => Shown
  said: (form: URLSearchParams, item: InboxItem) => Decision
}
/** One list for all: nothing is handed on here. */
const ways = ({ allows }: InboxItem) => allows.filter((each) => each !== 'delegate')
const LABELS: { readonly [verb: string]: string } = {
  ...{ edit: 'approve as edited', outcome: 'that is what became of it', snooze: 'put off for a day' },
}
const reasons = (item: InboxItem) => (item.kind === 'approval' ? item.rejectReasons.map(({ label }) => label) : [])
const VERBS: { readonly [V in Verb]: Asked } = {
  approve: { said: () => ({ approve: true }) },
  edit: { asks: editFields, said: (form, item) => ({ edit: edited(item, form) }) },
  reject: {
    asks: (item) => words('reject', 'Why not?', reasons(item)),
    said: (form) => ({ reject: form.get('reject') ?? '' }),
  },
  respond: { asks: () => words('respond', 'What instead?'), said: (form) => ({ respond: form.get('respond') ?? '' }) },
  answer: {
    asks: ({ editSchema }) => fields(editSchema, undefined, 'answer'),
    said: (form, { editSchema }) => ({ answer: entered(editSchema, form, 'answer') }),
  },
  outcome: { asks: outcomeFields, said: outcomeOf },
  retry: { said: () => ({ retry: true }) },
  dismiss: { said: () => ({ dismiss: true }) },
}
// #endregion

// #region card
/** What is shown of an item, or of a line of a plan, besides its preview. */
const FACTS =
  'denied consequence risk reversibility cost holdMs rung segment account key code hint dueAt expiresAt onSilence snoozedUntil state decided'.split(
    ' ',
  )

/** An item of any kind. Whatever it says is text: templates escape. */
function card(item: InboxItem, draft?: Json): Markup {
  const parts = [item, ...('lines' in item ? item.lines : [])].map((part) => {
    const facts = Object.entries(part).filter(([name]) => FACTS.includes(name))
    const preview = part.preview.kind === 'fields' ? part.preview.rows : [{ label: 'text', ...part.preview }]
    const told = ({ label, quote = '' }: Provenance) => `${label} ${quote}`
    const why = part.why.map((one) => ({ label: `because (${one.trust})`, after: told(one) }))
    const alerts = part.flags?.map(({ text }) => markup`<p role="alert">${text}`)
    const rest = facts.map(([label, value]) => ({
      label,
      after: typeof value === 'string' ? value : JSON.stringify(value),
    }))
    return markup`<article><h2>${part.title}</h2>${alerts}${table([...preview, ...why, ...rest])}</article>`
  })
  const forms = ways(item).map(
    (verb) => markup`<form method="post"><input type="hidden" name="hash" value="${item.hash}">
${verb !== 'snooze' && VERBS[verb].asks?.(item, draft)}<button name="verb" value="${verb}">${LABELS[verb] ?? verb}</button></form>`,
  )
  return markup`${parts}${'changed' in item && table(item.changed ?? [])}${item.state === 'open' && forms}`
}
// #endregion
