/**
 * Working memory: values of one run, under typed keys.
 *
 * W1. The journal keeps them and nothing else does: they are set again in each replay, and gone with the run.
 * W2. A journal that continues as new hands them to the next one, in the entry that begins it: once, or not at all.
 * W3. What is handed on is what the journal says was set, whether or not the code came to see it.
 */
import type { z } from 'zod'
import { KeelsonError } from '../../base/errors.ts'
import { canonical, parseStored } from '../../base/json.ts'
import { fromStored, parse, toStored } from '../../base/schema.ts'
import type { History } from '../../journal/fold.ts'
import type { EntryData } from '../../journal/kinds.ts'
import type { ChangeOp, Remembered } from '../../memory/change-set.ts'
import type { Working, WorkingOptions } from '../../memory/handle.ts'
import { upcastersOf, upcastTo, type Versioned } from '../../base/upcast.ts'
import type { Pass } from '../pass.ts'
import { askedFor } from './asked.ts'
import { orHeld } from './fitting.ts'
import type { Perform } from './place.ts'

type Carried = NonNullable<EntryData['run.started']['working']>

/** A value as the code has it: its canonical text, and the version of the shape that it fits. */
interface Note {
  readonly key: string
  readonly text: string
  readonly schema: number
  /** It was handed on by the journal before. */
  readonly carried?: true
}

type Shape = { readonly [key: string]: z.ZodType }
type Write = (verb: string, ops: readonly ChangeOp[]) => Promise<readonly Remembered[]>

const held = new WeakMap<Pass, Note[]>()

/** The run's working memory, as far as its code has seen it set. */
export function notesOf(pass: Pass): Note[] {
  let own = held.get(pass)
  if (own === undefined) {
    own = (pass.history.start.working ?? []).map(({ key, value, schema = 1 }): Note => ({
      ...{ key, schema, carried: true },
      text: canonical(value),
    }))
    held.set(pass, own)
  }
  return own
}

/** What the next journal of the run begins with. */
export function carriedOn(pass: Pass): Carried {
  const { start, outcomes, ops } = pass.history
  const values = new Map((start.working ?? []).map((one) => [one.key, one]))
  for (const answered of outcomes) {
    const key = ops.get(answered.key)?.kind === 'memory' ? keySetBy(answered.key) : undefined
    if (key !== undefined && answered.outcome.ok !== undefined) values.set(key, setBy(pass, key, answered))
  }
  return [...values.values()]
}

/** The code of today may have set the same value as of a newer shape. */
function setBy(pass: Pass, key: string, { outcome }: History['outcomes'][number]): Carried[number] {
  const value = outcome.ok!
  const seen = notesOf(pass).find((note) => note.key === key && note.text === canonical(value))
  const schema = seen?.schema ?? (outcome as { schema?: number }).schema ?? 1
  return { key, value, ...(schema === 1 ? {} : { schema }) }
}

const NAME = 'memory.working.'

/** The key that an operation has set; undefined for other operations. */
function keySetBy(opKey: string): string | undefined {
  const name = opKey.slice(opKey.lastIndexOf('].') === -1 ? 0 : opKey.lastIndexOf('].') + 2).replace(/#\d+$/, '')
  return name.startsWith(NAME) ? name.slice(NAME.length) : undefined
}

export function working<S extends Shape>(
  pass: Pass,
  perform: Perform,
  write: Write,
  shape: S,
  { version = 1, upcast = {} }: WorkingOptions = {},
): Working<S> {
  const { name } = pass.task.playbook
  const of = { name: `the working memory of ${name}`, version }
  const type: Versioned = { ...of, upcast: upcastersOf(of.name, { version, upcast }) }
  const schemaOf = (key: string): z.ZodType => {
    if (Object.hasOwn(shape, key)) return shape[key]!
    throw new KeelsonError('INPUT_INVALID', `"${key}" is no key of this working memory`, {
      hint: `It has ${Object.keys(shape).join(', ') || 'none'}.`,
    })
  }
  const notes = notesOf(pass)
  orHeld(pass, 'memory.working', () => fit(notes, type, shape))
  const textOf = (key: string): string | undefined => notes.find((note) => note.key === key)?.text
  return {
    get(key) {
      const text = textOf(key)
      return (text === undefined ? undefined : fromStored(schemaOf(key), text)) as never
    },
    set: (key, value) =>
      perform(`${NAME}${key}`, (opKey) => {
        const text = toStored(schemaOf(key), value, 'INPUT_INVALID', `the value of "${key}"`)
        return setOp(pass, opKey, { key, text, schema: version })
      }),
    async promote(key, as = {}) {
      schemaOf(key)
      const text = textOf(key)
      if (text === undefined)
        throw new KeelsonError('INPUT_INVALID', `"${key}" has no value to promote`, { hint: 'Set it first.' })
      const value = parseStored(text)
      const said = typeof value === 'string' && value !== '' ? value : `${key}: ${text}`
      return (await write('promote', [{ op: 'add', memory: { text: said, ...as, value } }]))[0]!
    },
  }
}

function setOp(pass: Pass, opKey: string, note: Note): Promise<void> {
  const { key, text, schema } = note
  const asked = askedFor(pass, canonical([key, text]))
  const data = { hash: asked.hash, ok: parseStored(text), ...(schema === 1 ? {} : { schema }) }
  const live = async (): Promise<void> => {
    await pass.work.run(() => pass.writer.append([{ kind: 'memory.completed', key: opKey, data }]))
  }
  const noted = (): void => put(notesOf(pass), note)
  return pass.operation<void>({ key: opKey, kind: 'memory', ...asked, live, value: noted })
}

function put(notes: Note[], note: Note): void {
  const at = notes.findIndex(({ key }) => key === note.key)
  if (at === -1) notes.push(note)
  else notes[at] = note
}

/** What was stored as of older shapes becomes data of this one; what was handed on must fit it. */
function fit(notes: Note[], type: Versioned, shape: Shape): void {
  for (let from = 1; from < type.version; from++) {
    const old = notes.filter(({ schema }) => schema === from)
    if (old.length === 0) continue
    const made = upcastTo(
      type,
      Object.fromEntries(old.map(({ key, text }) => [key, parseStored(text)])),
      from,
      from + 1,
    )
    for (const { key } of old)
      notes.splice(
        notes.findIndex((note) => note.key === key),
        1,
      )
    for (const [key, value] of Object.entries(made))
      put(notes, { key, text: canonical(value), schema: from + 1, carried: true })
  }
  for (const { key, text, schema, carried } of notes) {
    if (!Object.hasOwn(shape, key)) continue
    if (schema > type.version) upcastTo(type, {}, schema)
    if (carried) parse(shape[key]!, parseStored(text), 'UPCAST_FAILED', `"${key}" in ${type.name}`)
  }
}
