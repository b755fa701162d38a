/**
 * Host: the app as one function from a request to a response, which any server of Node can call.
 *
 * W1. Every verb is one of `keelson.workspace(user.company)`: what belongs to another company is not found.
 * W2. Nothing is changed but by a form of ours, sent by somebody who is logged in.
 */
import { KeelsonError, type Actor, type Conductor, type WaitInfo, type Workspace } from '@keelson/core'
import { decide, list, look } from './approvals.ts'
import { onboarding } from './company.ts'
import { goTo, markup, page, table, type Markup, type Page } from './markup.ts'
import { isFromHere, sessionsOf, type Sessions, type User } from './sessions.ts'

export type Handler = (request: Request) => Promise<Response>

interface Asked {
  readonly company: Workspace
  readonly by: Actor
  readonly url: URL
  /** The part of the path that the route leaves open. */
  readonly id: string
  readonly form: URLSearchParams
}

/** A page, or a path to go on to. */
type Route = (asked: Asked) => Promise<Page | string>

// #region routes
const ROUTES: Readonly<Record<string, Route>> = {
  'GET /': ({ company }) => home(company),
  'POST /onboardings': ({ company, by, form }) => begin(company, by, form),
  'GET /runs/:id': ({ company, id }) => progress(company, id),
  'GET /approvals': ({ company, url }) => list(company, url.searchParams.get('after')),
  'GET /approvals/:id': ({ company, id, by }) => look(company, id, by),
  'POST /approvals/:id': async ({ company, id, by, form }) => {
    const { run } = await company.inbox.get(id)
    return (await decide(company, id, by, form)) ?? (run === undefined ? '/approvals' : pathOf(run))
  },
}
// #endregion

// #region handler
export function hostOf(keelson: Conductor, users: readonly User[]): Handler {
  const sessions = sessionsOf(users)
  return async (request) => {
    const url = new URL(request.url)
    const { method } = request
    if (method !== 'GET' && !isFromHere(request)) return sorry(403, 'This was sent by a page from elsewhere.')
    const form = new URLSearchParams(method === 'POST' ? await request.text() : '')
    if (url.pathname === '/login') return method === 'POST' ? login(sessions, form, request) : loginPage()
    const user = sessions.userOf(request)
    if (user === undefined) return goTo('/login')
    if (method === 'POST' && url.pathname === '/logout') return goTo('/login', sessions.logout(request))
    const [, first = '', rest] = /^\/([^/]*)(?:\/([^/]+))?$/.exec(url.pathname) ?? []
    const route = ROUTES[`${method} /${first}${rest === undefined ? '' : '/:id'}`]
    if (route === undefined) return sorry(404, 'There is no such page.', user)
    const by: Actor = { kind: 'person', id: user.id, name: user.name }
    const asked = { company: keelson.workspace(user.company), by, url, id: decoded(rest ?? ''), form }
    const answer = await route(asked).catch(explained)
    return typeof answer === 'string' ? goTo(answer) : page({ ...answer, head: head(user) })
  }
}
// #endregion

// #region start
async function begin(company: Workspace, by: Actor, form: URLSearchParams): Promise<Page | string> {
  const client = { name: (form.get('name') ?? '').trim(), email: (form.get('email') ?? '').trim() }
  try {
    // The same client is the same run, however often the form is sent.
    const run = await company.start(onboarding, client, { id: `onboarding:${client.email}`, by })
    return pathOf(run.id)
  } catch (error) {
    if (!KeelsonError.is(error, 'INPUT_INVALID')) throw error
    const body = markup`<p role="alert">${error.message}</p>${newClient(client)}`
    return { title: 'Onboarding', status: 422, body }
  }
}
// #endregion

async function home(company: Workspace): Promise<Page> {
  const { runs } = await company.runs.list()
  const lines = runs.map(({ id, status }) => markup`<li><a href="${pathOf(id)}">${id}</a> ${status.state}`)
  return { title: 'Onboarding', body: markup`${newClient()}<ul>${lines}</ul>` }
}

function newClient({ name = '', email = '' } = {}): Markup {
  return markup`<form method="post" action="/onboardings">
<label>Client's name<input name="name" required value="${name}"></label>
<label>Client's mail address<input name="email" type="email" required value="${email}"></label><button>Start onboarding</button></form>`
}

async function progress(company: Workspace, id: string): Promise<Page> {
  await moment(company, id)
  const run = company.runs.get(id)
  const { state } = await run.status()
  const { items } = await company.inbox.list({ run: id, snoozed: true })
  const off = (at: string | undefined) =>
    at === undefined || at < new Date().toISOString() ? '' : `, put off until ${at}`
  const links = items.map(
    (item) => markup`<p><a href="/approvals/${item.id}">${item.title}</a>${off(item.snoozedUntil)}`,
  )
  const result = state === 'completed' ? ((await run.result()) as object) : {}
  const rows = Object.entries(result).map(([label, after]) => ({ label, after: String(after) }))
  const body = markup`<p>It is <b>${state}</b>.</p>${links}${table(rows)}<pre>${await company.why(id, { how })}</pre>`
  const isMoving = state === 'due' || state === 'running' || (state === 'waiting' && items.length === 0)
  return { title: id, body, ...(isMoving ? { again: 1 } : {}) }
}

/** Where people answer here; what ends by itself, or by us, is none of theirs. */
const how = ({ inbox }: WaitInfo): string | undefined => (inbox === undefined ? undefined : 'answer it under Approvals')

/** Until there is something to look at, a question or the end; a second at most. */
async function moment({ inbox, runs }: Workspace, id: string): Promise<void> {
  const over = new AbortController()
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(1000)])
  const asked = async (): Promise<void> => {
    for await (const item of inbox.watch({ signal })) if (item.run === id) return
  }
  const ended = runs.get(id).result({ signal })
  await Promise.race([asked(), ended.catch(() => undefined)])
  over.abort()
}

async function login(sessions: Sessions, form: URLSearchParams, request: Request): Promise<Response> {
  const cookie = sessions.login(form.get('user') ?? '', form.get('password') ?? '', request)
  return cookie === undefined ? loginPage('That is not right.') : goTo('/', cookie)
}

function loginPage(wrong?: string): Response {
  const body = markup`<form method="post" action="/login">${wrong !== undefined && markup`<p role="alert">${wrong}`}
<label>User<input name="user" autocomplete="username" required></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required></label><button>Log in</button></form>`
  return page({ title: 'Log in', body, status: wrong === undefined ? 200 : 401 })
}

function head({ name, company }: User): Markup {
  return markup`<b>${company}</b><a href="/">Onboarding</a><a href="/approvals">Approvals</a>
<form method="post" action="/logout"><button>Log out ${name}</button></form>`
}

/** What somebody can do something about is said; all else is the server's business. */
function explained(error: unknown): Page {
  if (!KeelsonError.is(error)) {
    console.error(error)
    return { title: 'That did not work', status: 500, body: markup`<p role="alert">It is our fault, and was noted.` }
  }
  const isMissing = /^(RUN|ITEM)_NOT_FOUND$/.test(error.code)
  const body = markup`<p role="alert">${error.message}</p><p>${error.hint}</p>`
  return { title: isMissing ? 'Not found' : 'That did not work', status: isMissing ? 404 : 409, body }
}

function sorry(status: number, text: string, user?: User): Response {
  return page({ title: 'Sorry', body: markup`<p role="alert">${text}`, status, ...(user && { head: head(user) }) })
}

function pathOf(run: string): string {
  return `/runs/${encodeURIComponent(run)}`
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
