/**
 * The demo: a new client is onboarded by a worker that is killed twice, and everything still happens once.
 *
 * This process is the world and the operator: it runs the mail server, starts the workers and kills them, decides what
 * the inbox asks, and at the end counts what really happened. `npm run demo -- --interactive` lets you decide,
 * `--dir FOLDER` says where. What an app of your own would have is in playbook.ts, policy.ts, mailbox.ts, company.ts and
 * worker.ts; all else is the stage.
 */
import { createHash, randomBytes } from 'node:crypto'
import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createConductor, KeelsonError, type Conductor, type Run } from '@keelson/core'
import { checksOf } from './checks.ts'
import { company } from './company.ts'
import { crewOf, type Crew, type Worker } from './crew.ts'
import type { Findings } from './findings.ts'
import { prepareFolder, type Folder } from './folder.ts'
import { folderNameOf } from './letter.ts'
import { decideMail, MARA } from './operator.ts'
import { contractSigned, Customer, onboarding } from './playbook.ts'
import { openPostOffice, type PostOffice } from './post-office.ts'
import { report, reportChecks } from './report.ts'
import { paint, section, step, title } from './screen.ts'
import { isAnywhere, lookAround } from './world.ts'

interface Scene {
  readonly folder: Folder
  readonly office: PostOffice
  readonly desk: Conductor
  readonly crew: Crew
  readonly interactive: boolean
  kills: number
}

type Onboarding = Run<{ signed: boolean; messageId: string }>
type Told = Omit<Findings, 'secretSeen'>

/** Longest wait for any one thing: enough for a slow machine under load. */
const PATIENCE = '30s'
const PATIENCE_MS = 30_000

const HAND_WRITTEN = '\nAgreed on the phone: the shop opens first. M.\n'

async function main(): Promise<boolean> {
  const { values } = parseArgs({ options: { dir: { type: 'string' }, interactive: { type: 'boolean' } } })
  title('Keelson: a client is onboarded, and the worker is killed twice')
  const folder = prepareFolder(values.dir)
  const login = { user: 'mara', pass: randomBytes(18).toString('base64url') }
  const office = await openPostOffice(folder.sent, login)
  step(`a mail server listens on loopback, port ${office.port}`)
  const desk = await createConductor({ ...company(folder), name: 'desk', work: false })
  step(`the desk has opened ${folder.store}; it starts, decides and reads, and does no work`)
  const crew = crewOf(folder, { port: office.port, login })
  let told: Told
  try {
    const scene = { folder, office, desk, crew, interactive: values.interactive === true, kills: 0 }
    told = await Promise.race([play(scene), crew.trouble])
  } finally {
    crew.killAll()
    await desk.stop()
    await office.close()
  }
  // Only now: who opens and closes a SQLite file by other means drops the locks that this process holds on it.
  const found = { ...told, secretSeen: isAnywhere(folder, login.pass) }
  report(found, folder)
  return reportChecks(checksOf(found), folder)
}

async function play(scene: Scene): Promise<Told> {
  const { desk, folder, office } = scene
  const run = await begin(scene)
  await bookAndDie(scene)
  const { approval, last } = await askAndDie(scene, run)
  const sent = approval.verb !== 'reject'
  const result = sent ? await sign(scene, run) : await noticeNo(run)
  section('Afterwards')
  const { customer, contract } = await contractOf(scene)
  const before = await lookAround(folder, office)
  const verification = await desk.audit.verify()
  step(`verified: ${verification.entries} entries, ${verification.records} records`)
  appendFileSync(join(folder.files, contract.path), HAND_WRITTEN)
  step('the operator writes a line into the contract by hand, and then wants it all taken back')
  const plan = await desk.revert.plan({ run: run.id })
  const reverting = await desk.revert.apply(plan, { by: MARA })
  const reverted = await reverting.result({ timeout: PATIENCE })
  step(`taken back ${reverted.undone.length}, refused ${reverted.failed.length}, not possible ${reverted.left.length}`)
  await last.stop()
  step('the worker has ended its work and stopped')
  return {
    ...{ run: run.id, customer, approval, sent, result, contract, before, verification, plan, reverted },
    timeline: await desk.entities(Customer).timeline(customer.id),
    story: await desk.audit.story(run.id),
    after: await lookAround(folder, office),
    kills: scene.kills,
    verified: [verification.faults, (await desk.audit.verify()).faults],
    calendar: readFileSync(folder.calendar),
    fixture: readFileSync(join(import.meta.dirname, 'input', 'studio.ics')),
    edited: readFileSync(join(folder.files, contract.path), 'utf8').endsWith(HAND_WRITTEN),
  }
}

/** The same enquiry is the same run, however often it is delivered. */
async function begin({ desk, folder }: Scene): Promise<Onboarding> {
  const mail = readFileSync(join(folder.files, 'inbox', 'enquiry.eml'))
  const id = `enquiry-${createHash('sha256').update(mail).digest('hex').slice(0, 12)}`
  const run = await desk.start(onboarding, { enquiry: 'enquiry.eml' }, { id, by: MARA })
  step(`an enquiry of ${mail.length} bytes has come in: run ${id} is started, and nobody works yet`)
  return run
}

async function bookAndDie(scene: Scene): Promise<void> {
  const worker = await scene.crew.start({ haltAfter: 'calendar.book' })
  step('worker 1 begins')
  await within(worker.halted, 'the booking')
  step('worker 1 has filed the attachment, found an hour and booked it')
  worker.kill()
  if ((await worker.gone) === 'SIGKILL') scene.kills++
  step('worker 1 is killed (SIGKILL), in the middle of the run', 'red')
}

async function askAndDie(scene: Scene, run: Onboarding): Promise<{ approval: Findings['approval']; last: Worker }> {
  const { desk, crew, office, interactive } = scene
  const worker = await crew.start()
  step('worker 2 begins: what is recorded answers, the rest goes on')
  office.onNext(() => {
    step('the mail server has accepted the mail; its "250" is on its way')
    worker.kill()
    step('worker 2 is killed (SIGKILL) before it can record that', 'red')
  })
  await until(desk, run, 'for an approval')
  const { item, verb } = await decideMail(desk, interactive)
  step(`${MARA.name}: ${verb}, about exactly ${item.hash.slice(0, 16)}…`, verb === 'reject' ? 'yellow' : 'green')
  const approval = { ...item, verb }
  if (verb === 'reject') return { approval, last: worker }
  if ((await within(worker.gone, 'the mail to be accepted')) === 'SIGKILL') scene.kills++
  const last = await crew.start()
  step('worker 3 begins: a mail was being sent and nobody knows; it looks in "sent" before anything else')
  return { approval, last }
}

async function sign({ desk, folder, office }: Scene, run: Onboarding): Promise<Findings['result']> {
  await until(desk, run, contractSigned.name)
  step('it was found there: not sent again. The run waits for the signature, as a row in the store')
  const { customer } = await contractOf({ desk, folder })
  const { mails } = await lookAround(folder, office)
  const signature = { customerId: customer.id, sha256: mails[0]?.attachments[0] ?? '' }
  await desk.send(contractSigned, signature, { id: `signature:${customer.id}` })
  step('the client has signed: the event is sent')
  const result = await run.result({ timeout: PATIENCE })
  step('the run has ended', 'green')
  return result
}

async function noticeNo(run: Onboarding): Promise<undefined> {
  const error = await run.result({ timeout: PATIENCE }).catch((thrown: unknown) => thrown)
  if (!KeelsonError.is(error, 'ACTION_DECLINED')) throw error
  step(`the run has ended as declined: ${error.message}`, 'yellow')
}

async function contractOf({ desk, folder }: Pick<Scene, 'desk' | 'folder'>) {
  const customer = await desk.entities(Customer).find({ email: 'zoe@roesterei-loehne.example' })
  if (customer === undefined) throw new Error('there is no customer')
  const path = `clients/${folderNameOf(customer.data.name)}/contract.md`
  const bytes = readFileSync(join(folder.files, path))
  return { customer, contract: { path, sha256: createHash('sha256').update(bytes).digest('hex') } }
}

/** Waits until the run waits for what `text` names. What it waits for instead is the error. */
async function until(desk: Conductor, run: Onboarding, text: string): Promise<void> {
  for (const late = performance.now() + PATIENCE_MS; ; await sleep(25)) {
    const why = await desk.why(run.id)
    if (why.includes(text)) return
    if (performance.now() > late) throw new Error(why)
  }
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const over = new AbortController()
  const late = sleep(PATIENCE_MS, undefined, { signal: over.signal }).then(() => {
    throw new Error(`waited ${PATIENCE} for ${what}`)
  })
  late.catch(() => undefined)
  return Promise.race([promise, late]).finally(() => over.abort())
}

try {
  process.exitCode = (await main()) ? 0 : 1
} catch (error) {
  console.error(`\n${paint('red', 'The demo could not go on:')} ${(error as Error).message}`)
  // A terminal that still waits for an answer would keep the process.
  process.exit(1)
}
