/**
 * Receive: the door for what a provider delivers: verified over its raw bytes, then sent as an event under the provider's own id.
 *
 * R1. Nothing of a delivery is read as more than bytes before its signature is found to be good.
 * R2. The id of the event follows from the provider's id, so that a delivery that comes again is the same event.
 * R3. It is answered with success only when the event is durable; what fails on our side throws, and the provider comes again.
 * R4. Secrets are one company's; they are fetched for each delivery, and stand in no answer, error or log.
 * R5. Whoever is refused as nobody who may deliver leaves a line in the log, as few as tell it (refusals.ts).
 */
import { KeelsonError, type EventType, type Json, type Logger, type Workspace } from '@keelson/core'
import { logOf } from '@keelson/core/ports'
import { bodyOf, headerOf, type Delivery } from './body.ts'
import { refusals } from './refusals.ts'
import { isSigned, standard, stripeLike, type Claim, type Scheme } from './signature.ts'

/** Where a delivery goes. */
export type Receiver = (company: Pick<Workspace, 'id' | 'send'>, delivery: Delivery) => Promise<Received>

/** Why a delivery was not taken. */
export type Refusal =
  /** Its headers are not those of the scheme. */
  | 'signature-missing'
  /** Nobody who knows a secret of this company has signed these bytes. */
  | 'signature-wrong'
  /** Signed too long ago, or in the future. */
  | 'timestamp-off'
  /** This company has no secret here: it takes nothing. */
  | 'secret-missing'
  | 'body-too-large'
  | 'body-not-json'
  /** It names no id, so that it could not be told from another. */
  | 'id-missing'
  /** What it says does not fit the event's schema. */
  | 'payload-invalid'

export type Received =
  /** `id`: that of the event. 'passed-over': `payload` wanted nothing of it. 'differs': its id has come before, and said something else. */
  | { readonly status: 200; readonly code: 'taken' | 'passed-over' | 'differs'; readonly id: string }
  | { readonly status: 400 | 401 | 413; readonly code: Refusal; readonly message: string }

export interface WebhookOptions<T> {
  /** Which door it is, in ids of events and as `connector` for `credentials`. */
  readonly name: string
  readonly event: EventType<T>
  /** How the provider signs. Default 'standard' (Standard Webhooks); 'stripe': `stripe-signature: t=…,v1=…`, the id in the body. */
  readonly scheme?: 'standard' | 'stripe'
  /**
   * The secret of a company, or several while one takes the place of another; undefined: it has none. That of
   * `createConductor` will do.
   */
  readonly credentials: (use: { workspace: string; connector: string; account: string }) => Promise<unknown>
  /** The event's payload in what was delivered; undefined: this delivery is of no interest. Default: the body. */
  readonly payload?: (body: Json) => unknown
  /** How far its timestamp may be off. Default five minutes. */
  readonly toleranceMs?: number
  /** Default 256 KiB. */
  readonly bodyMax?: number
  readonly now?: () => number
  /** Where refusals are told, each kind at most once a minute. Default the log of the company's conductor. */
  readonly log?: Logger
}

const TOLERANCE_MS = 300_000
const BODY_MAX = 256 * 1024
const ID_MAX = 256

/** A door for one provider's deliveries. It answers what to answer; mount it where the body comes as raw bytes. */
export function webhook<T>(options: WebhookOptions<T>): Receiver {
  const scheme = options.scheme === 'stripe' ? stripeLike : standard
  if (!/^[a-z][\w-]*$/i.test(options.name))
    throw new KeelsonError('DEFINITION_INVALID', `"${options.name}" is no name for a webhook`, {
      hint: 'Name it in letters, digits, - and _: "payments".',
    })
  const now = options.now ?? Date.now
  const told = refusals(options.name, now)
  return async (company, delivery) => {
    told.due()
    const body = await bodyOf(delivery, options.bodyMax ?? BODY_MAX)
    if (body === undefined) return no(413, 'body-too-large', `more than ${options.bodyMax ?? BODY_MAX} bytes`)
    const claim = await verified(options, scheme, company.id, { delivery, body, now })
    if ('reason' in claim) {
      const { reason, message } = claim
      told.note({ log: options.log ?? logOf(company), workspace: company.id, reason, delivery })
      return no(401, reason, message)
    }
    const read = parsed(body)
    if (read === undefined) return no(400, 'body-not-json', 'the body is not JSON in UTF-8')
    const id = claim.id ?? idIn(read.value)
    if (id === undefined || id.length > ID_MAX) return no(400, 'id-missing', 'no id tells it from others')
    return send(options, company, `${options.name}:${id}`, read.value)
  }
}

interface Given {
  readonly delivery: Delivery
  readonly body: Uint8Array
  readonly now: () => number
}

/** What it claims of itself, where that is to be believed; else why not. */
async function verified<T>(
  options: WebhookOptions<T>,
  scheme: Scheme,
  workspace: string,
  { delivery, body, now }: Given,
): Promise<Claim | { readonly reason: Refusal; readonly message: string }> {
  const not = (reason: Refusal, message: string) => ({ reason, message })
  const claim = scheme.claim((name) => headerOf(delivery, name))
  if (claim === undefined) return not('signature-missing', `no signature of the scheme ${scheme.name}`)
  const keys = await keysOf(options, scheme, workspace)
  if (keys.length === 0) return not('secret-missing', 'nothing is taken here')
  if (!isSigned(claim, body, keys)) return not('signature-wrong', 'these bytes are not signed by a secret of ours')
  const off = Math.abs(now() - claim.atMs)
  return off > (options.toleranceMs ?? TOLERANCE_MS) ? not('timestamp-off', 'it was not signed just now') : claim
}

async function send<T>(
  { name, event, payload }: WebhookOptions<T>,
  company: Pick<Workspace, 'send'>,
  id: string,
  body: Json,
): Promise<Received> {
  const wanted = payload === undefined ? body : payload(body)
  if (wanted === undefined) return { status: 200, code: 'passed-over', id }
  try {
    await company.send(event, wanted as NoInfer<T>, { id, by: { kind: 'system', id: `webhook ${name}` } })
  } catch (thrown) {
    if (KeelsonError.is(thrown, 'RUN_EXISTS')) return { status: 200, code: 'differs', id }
    const unfit = KeelsonError.is(thrown, 'INPUT_INVALID') || KeelsonError.is(thrown, 'VALUE_NOT_STORABLE')
    if (unfit) return no(400, 'payload-invalid', thrown.message)
    throw thrown
  }
  return { status: 200, code: 'taken', id }
}

/** Throws `CREDENTIALS_MISSING` where they cannot be had: that is ours, and the provider comes again. */
async function keysOf(
  { name, credentials }: Pick<WebhookOptions<never>, 'name' | 'credentials'>,
  scheme: Scheme,
  workspace: string,
): Promise<Buffer[]> {
  let given: unknown
  try {
    given = await credentials({ workspace, connector: name, account: 'default' })
  } catch {
    throw unusable(name, workspace, 'could not be had')
  }
  const secrets: unknown[] = given === undefined || given === null ? [] : Array.isArray(given) ? given : [given]
  return secrets.map((secret) => {
    const key = typeof secret === 'string' ? scheme.key(secret) : undefined
    if (key === undefined) throw unusable(name, workspace, 'is too short, or no text')
    return key
  })
}

function unusable(name: string, workspace: string, what: string): KeelsonError {
  return new KeelsonError('CREDENTIALS_MISSING', `a secret of the webhook ${name} ${what}`, {
    hint: 'Let its credentials answer with a secret or a list of them, or with undefined where a company has none.',
    data: { workspace, connector: name },
  })
}

function parsed(body: Uint8Array): { value: Json } | undefined {
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as Json }
  } catch {
    return undefined
  }
}

function idIn(body: Json): string | undefined {
  const { id } = (typeof body === 'object' && body !== null ? body : {}) as { id?: unknown }
  return typeof id === 'string' && id !== '' ? id : undefined
}

function no(status: 400 | 401 | 413, code: Refusal, message: string): Received {
  return { status, code, message }
}
