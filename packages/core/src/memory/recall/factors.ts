/**
 * Factors: what a question makes of a unit beside its words: who said it, when, how long it is, whose word it is.
 */
import { isOn } from './dates.ts'
import { questionOf, type Question } from './question.ts'
import { asksFactor, lengthFactor, type Doc, type Indexed, type Segment } from './segment.ts'

/** What a score is made of: (`lexical` + `context` + `thread`) times all the others. */
export interface Parts {
  /** BM25 of its own words. */
  readonly lexical: number
  /** What its neighbours in the thread add. */
  readonly context: number
  /** What its thread as a whole adds. */
  readonly thread: number
  /** It was said by, or is about, the one who is named. */
  readonly name: number
  /** It is of a date that is named. */
  readonly date: number
  /** A question is rarely an answer. */
  readonly question: number
  /** It speaks of time, and the question asks when. */
  readonly time: number
  readonly length: number
  /** Whose word it is: the operator's outranks the agent's. */
  readonly authority: number
  /** Terms of the question that are in the unit itself. */
  readonly matched: readonly string[]
}

/** What the entities are called that the units of some segments are about; as names are compared. */
export interface Called {
  /** Is one of them called so? */
  readonly knows: (name: string) => boolean
  /** The names of one, by its `type/id`. */
  readonly of: (entity: string) => ReadonlySet<string> | undefined
}

const NAME = 1.35
const DATE = 1.5
const TIME = 1.2
/** Products differ by the order in which they are made: this much is no difference. */
const NEARLY = 1 + 1e-9

/** No factors of the question make more of a score: what would not do with them is not looked at closely. */
export function mostOf({ names, dates, asksWhen }: Question, called: Called | undefined): number {
  return (
    (names.length === 1 || (called !== undefined && names.length > 1) ? NAME : 1) *
    (dates.length > 0 ? DATE : 1) *
    (asksWhen ? TIME : 1) *
    NEARLY
  )
}

export type Factors = Pick<Parts, 'name' | 'date' | 'question' | 'time' | 'length'>

export function productOf({ name, date, question, time, length }: Factors, authority: number): number {
  return name * date * question * time * length * authority
}

export function factorsOf<U>(doc: Doc<U>, { names, dates, asksWhen }: Question, called?: Called): Factors {
  return {
    name: isNamed(doc, names, called) ? NAME : 1,
    date: dates.length > 0 && dates.some((mention) => isOn(doc.at, mention)) ? DATE : 1,
    question: asksFactor(doc),
    time: asksWhen && doc.timed ? TIME : 1,
    length: lengthFactor(doc),
  }
}

/** One is named: it says it, or is about it. An entity may be named twice, by two of its names. */
function isNamed<U>(doc: Doc<U>, names: readonly string[], called: Called | undefined): boolean {
  if (names.length === 0) return false
  const { entity } = doc.unit as Indexed
  const own = entity === undefined ? undefined : called?.of(entity)
  if (own !== undefined && names.every((name) => own.has(name) || doc.about.includes(name))) return true
  const [name] = names
  return names.length === 1 && isOf(doc, name!)
}

function isOf<U>({ speaker, about }: Doc<U>, name: string): boolean {
  return speaker === name || speaker?.startsWith(`${name} `) === true || about.includes(name)
}

/** Is it of one who is named, by whatever name? */
function isOfAny<U extends Indexed>(doc: Doc<U>, names: readonly string[], called: Called | undefined): boolean {
  const own = doc.unit.entity === undefined ? undefined : called?.of(doc.unit.entity)
  return names.some((name) => own?.has(name) === true || isOf(doc, name))
}

/** All that is of those who are named. */
export function* ofNamed<U extends Indexed>(
  segments: readonly Segment<U>[],
  { names }: Question,
  called: Called | undefined,
): Generator<Doc<U>> {
  if (names.length === 0) return
  for (const segment of segments) for (const doc of segment.docs()) if (isOfAny(doc, names, called)) yield doc
}

/** Parts of a unit that no word of the question leads to. */
export function factorsFor<U>(doc: Doc<U>, text: string, authority: number): Parts {
  return partsOf(
    doc,
    questionOf(text, () => false),
    authority,
  )
}

export function partsOf<U>(doc: Doc<U>, question: Question, authority: number, called?: Called): Parts {
  return { lexical: 0, context: 0, thread: 0, ...factorsOf(doc, question, called), authority, matched: [] }
}
