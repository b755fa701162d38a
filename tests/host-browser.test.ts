/** The example host in a real browser: two companies, their people, and what they see and decide. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { serveExpress } from '../examples/host-express/express.ts'
import { serveHono } from '../examples/host-express/hono.ts'
import { chromiumHere, openBrowser, PASSWORD, serveHost, type ServedHost } from './support/host.ts'

const program = chromiumHere()

describe.runIf(program !== undefined)('the pages of the host', () => {
  let browser: Browser
  let host: ServedHost
  beforeAll(async () => {
    browser = await openBrowser(program!)
    host = await serveHost(serveExpress)
  })
  afterAll(async () => {
    await browser?.close()
    await host?.close()
  })

  async function enter(user: string, url = host.url): Promise<Page> {
    const context = await browser.newContext()
    onTestFinished(() => context.close())
    const page = await context.newPage()
    page.setDefaultTimeout(100_000)
    await page.goto(url)
    await page.getByLabel('User').fill(user)
    await page.getByLabel('Password').fill(PASSWORD)
    await page.getByRole('button', { name: 'Log in' }).click()
    await page.getByRole('heading', { name: 'Onboarding' }).waitFor()
    return page
  }

  /** Sends the form, and follows the link to the approval once there is one. */
  async function propose(page: Page, name: string, address: string): Promise<void> {
    await page.goto(new URL('/', page.url()).href)
    await page.getByLabel('name').fill(name)
    await page.getByLabel('address').fill(address)
    await page.getByRole('button', { name: 'Start onboarding' }).click()
    await page.getByRole('link', { name: 'Send a mail' }).click()
    await page.getByRole('button', { name: 'approve', exact: true }).waitFor()
  }

  const alertOf = (page: Page): Promise<string | null> => page.getByRole('alert').first().textContent()

  it.each([
    ['Express', serveExpress],
    ['Hono', serveHono],
  ])('onboard under %s by a form, and send the mail as it was edited and approved', async (_name, serve) => {
    const own = serve === serveExpress ? host : await serveHost(serve)
    if (own !== host) onTestFinished(() => own.close())
    const page = await enter('ann', own.url)
    await propose(page, 'Ada', 'ada@client.example')
    expect(await page.locator('main').textContent()).toContain('Hello Ada,')
    await page.getByLabel('subject').fill('Welcome, Ada & all')
    await page.getByRole('button', { name: 'approve as edited' }).click()
    await page.getByText('It is completed.').waitFor()
    expect(await page.getByRole('row').allTextContents()).toContain('subjectWelcome, Ada & all')
    const [mail, ...more] = own.mailsTo('ada@client.example')
    expect(mail).toContain('Subject: Welcome, Ada & all')
    expect(mail).toContain('From: hello@acme.example')
    expect(mail).toContain('Hello Ada,\r\n\r\nwelcome aboard.')
    expect(more).toEqual([])
  })

  it('show nothing of one company to the people of another (P10)', async () => {
    const ann = await enter('ann')
    await propose(ann, 'Bea', 'bea@client.example')
    const item = new URL(ann.url()).pathname
    const hash = (await ann.locator('input[name=hash]').first().getAttribute('value')) ?? ''
    const gil = await enter('gil')
    expect(await gil.locator('main').textContent()).not.toContain('client.example')
    await gil.goto(`${host.url}/approvals`)
    expect(await gil.locator('main').textContent()).toContain('Nothing else waits for you.')
    for (const path of [item, '/runs/onboarding%3Abea%40client.example', '/runs/onboarding:bea@client.example']) {
      const response = await gil.goto(`${host.url}${path}`)
      expect([path, response?.status()]).toEqual([path, 404])
      expect(await gil.locator('main').textContent()).not.toContain('Bea')
    }
    await submit(gil, item, { verb: 'approve', hash })
    await gil.getByText('Not found').waitFor()
    expect(host.mailsTo('bea@client.example')).toEqual([])
    expect(await host.keelson.workspace('acme').inbox.get(item.split('/')[2]!)).toMatchObject({ state: 'open' })
  })

  it('refuse what was decided about something else than is there now: changed', async () => {
    const page = await enter('ann')
    await propose(page, 'Cid', 'cid@client.example')
    await page.locator('input[name=hash]').evaluateAll((all) => {
      for (const each of all) each.setAttribute('value', 'of what was there before')
    })
    await page.getByRole('button', { name: 'approve', exact: true }).click()
    await page.getByRole('alert').waitFor()
    expect(await alertOf(page)).toBe('It has changed: it is not what you saw: look again')
    expect(host.mailsTo('cid@client.example')).toEqual([])
    await page.getByRole('button', { name: 'approve', exact: true }).click()
    await page.getByText('It is completed.').waitFor()
    expect(host.mailsTo('cid@client.example')).toHaveLength(1)
  })

  it('take a decision once: a second tab that says something else is told that it was already decided', async () => {
    const one = await enter('ann')
    await propose(one, 'Dea', 'dea@client.example')
    const two = await one.context().newPage()
    await two.goto(one.url())
    await one.getByRole('button', { name: 'approve', exact: true }).click()
    await one.getByText('It is completed.').waitFor()
    await two.getByLabel('Why not?').fill('too dear')
    await two.getByRole('button', { name: 'reject' }).click()
    await two.getByRole('alert').waitFor()
    expect(await alertOf(two)).toBe('Already decided: it is decided')
    expect(await two.locator('main').textContent()).toContain('"name":"Ann"')
    expect(await two.getByRole('button', { name: 'approve', exact: true }).count()).toBe(0)
    expect(host.mailsTo('dea@client.example')).toHaveLength(1)
  })

  it('keep what was typed when it does not fit, and say what is wrong', async () => {
    const page = await enter('ann')
    await propose(page, 'Eve', 'eve@client.example')
    await page.getByLabel('subject').fill('Kept')
    await page.getByLabel('to', { exact: true }).fill('no address')
    await page.getByRole('button', { name: 'approve as edited' }).click()
    await page.getByRole('alert').waitFor()
    expect(await alertOf(page)).toMatch(/^That does not fit: .*\n.*at to/)
    expect(await page.getByLabel('subject').inputValue()).toBe('Kept')
    expect(host.mailsTo('eve@client.example')).toEqual([])
  })

  it('end with a rejection and its reason, and go on with what a response says', async () => {
    const page = await enter('ann')
    await propose(page, 'Fay', 'fay@client.example')
    await page.getByLabel('Why not?').fill('wrong person')
    await page.getByRole('button', { name: 'reject' }).click()
    await page.getByText('It is declined.').waitFor()
    expect(await page.locator('pre').textContent()).toContain('wrong person')
    expect(host.mailsTo('fay@client.example')).toEqual([])

    await propose(page, 'Gus', 'gus@client.example')
    await page.getByLabel('What instead?').fill('Bring the <keys>.')
    await page.getByRole('button', { name: 'respond' }).click()
    await page.getByRole('link', { name: 'Send a mail' }).click()
    await page.getByRole('cell', { name: 'Bring the <keys>.' }).waitFor()
    await page.getByRole('button', { name: 'approve', exact: true }).click()
    await page.getByText('It is completed.').waitFor()
    expect(host.mailsTo('gus@client.example').join()).toContain('Bring the <keys>.')
  })

  it('let those look who may not decide, and tell them so', async () => {
    const page = await enter('abe')
    await propose(page, 'Hal', 'hal@client.example')
    await page.getByRole('button', { name: 'approve', exact: true }).click()
    await page.getByRole('alert').waitFor()
    expect(await alertOf(page)).toBe('Not yours to decide: Abe may not decide this')
    expect(host.mailsTo('hal@client.example')).toEqual([])
  })

  it('show what somebody typed as text, whatever it would be as markup', async () => {
    const page = await enter('ann')
    const troubles: string[] = []
    page.on('dialog', (dialog) => void dialog.dismiss().then(() => troubles.push(dialog.message())))
    page.on('console', (message) => message.type() === 'error' && troubles.push(message.text()))
    const name = `</textarea><script>alert(1)</script><img src=x onerror="alert(2)"> 'Ida'`
    await propose(page, name, 'ida@client.example')
    const [preview, source, ...more] = await page.getByRole('cell', { name }).allTextContents()
    expect(preview).toBe(`Hello ${name},\n\nwelcome aboard.\n`)
    expect(source).toMatch(/^customer customer_\w+ v1 .*name: /)
    expect(more).toEqual([])
    expect(await page.getByLabel('text', { exact: true }).inputValue()).toBe(`Hello ${name},\n\nwelcome aboard.\n`)
    expect(await page.locator('script, img').count()).toBe(0)
    expect(troubles).toEqual([])
  })

  it('do nothing that a page from elsewhere makes a browser send', async () => {
    const page = await enter('ann')
    await propose(page, 'Jon', 'jon@client.example')
    const item = page.url()
    const hash = (await page.locator('input[name=hash]').first().getAttribute('value')) ?? ''
    const elsewhere = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<p>Hello.'))
    elsewhere.listen(0, '127.0.0.1')
    await once(elsewhere, 'listening')
    onTestFinished(() => void elsewhere.close().closeAllConnections())
    // Another port is another origin and the same site: the browser sends the cookie along.
    await page.goto(`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`)
    await submit(page, item, { verb: 'approve', hash })
    await page.getByText('This was sent by a page from elsewhere.').waitFor()
    expect(host.mailsTo('jon@client.example')).toEqual([])
    await page.goto(item)
    await page.getByRole('button', { name: 'approve', exact: true }).waitFor()
  })
})

/** Makes the page send a form, as a script in it could. */
async function submit(page: Page, action: string, values: Record<string, string>): Promise<void> {
  await page.evaluate(
    ([to, entries]) => {
      interface Node {
        append(child: Node): void
        submit(): void
      }
      const { document } = globalThis as unknown as { document: { createElement(tag: string): Node; body: Node } }
      const form = Object.assign(document.createElement('form'), { method: 'post', action: to })
      for (const [name, value] of entries) form.append(Object.assign(document.createElement('input'), { name, value }))
      document.body.append(form)
      form.submit()
    },
    [action, Object.entries(values)] as const,
  )
}

describe.runIf(program === undefined)('without Chromium on this machine', () => {
  it('no page is looked at, unless servers are required', () => {
    console.warn('No browser: install Debian’s chromium to look at the pages of examples/host-express.')
    expect(process.env['KEELSON_REQUIRE_SERVERS']).not.toBe('1')
  })
})
