/**
 * Vector: what embeddings add to a score: a weighted, standardised cosine, and no more than was measured to help.
 *
 * V1. The weight is 0 until `calibrate` found that questions of this workspace are answered better with another.
 * V2. Ranks are never fused: a weak model would drag down what words find. Scores are added, by weight.
 */
import { sha256 } from '../../base/hash.ts'
import { KeelsonError } from '../../base/errors.ts'
import type { RecallQuery, Asked, RecallWhy } from './recall.ts'
import { recordsOf, search } from './recall.ts'
import type { Unit } from './library.ts'
import { factorsFor } from './factors.ts'
import type { Ranked } from './rank.ts'

/** Embeds texts, in order: a model of the AI SDK through `embeddings(model)`, or a function of your own. */
export interface Embedder {
  readonly model: string
  embed(texts: readonly string[]): Promise<readonly (readonly number[])[]>
}

/** A question whose answer is known: ids of the memories that hold it. */
export interface Question {
  readonly text: string
  readonly answers: readonly string[]
  readonly scope?: string
}

export interface Calibrated {
  readonly model: string
  readonly weight: number
  /** Mean share of the answers among the first ten, by weight that was tried. */
  readonly recallAt10: { readonly [weight: string]: number }
}

/** What a workspace's embeddings are, once they have a weight. */
export interface Weighted {
  readonly embedder: Embedder
  readonly weight: number
  readonly cache: Map<string, Float32Array>
}

/** The embeddings of a conductor: the one model, and the weight of each workspace. */
export interface Vectors {
  readonly embedder: Embedder
  /** Undefined while its weight is 0. */
  ready(workspace: string): Promise<Weighted | undefined>
  /** Under any weight: for calibrating. */
  at(workspace: string, weight: number): Weighted
  /** Drops what was embedded of it. */
  forget(workspace: string): void
}

export const WEIGHTS = [0, 0.15, 0.35, 0.6, 1] as const
/** Units of the first candidates that are compared; what words do not find at all is looked for among so many more. */
const CANDIDATES = 100
const CACHE_MAX = 200_000

/** The first by words, reordered by what the embedding adds; and the nearest that words did not find. */
export async function weighed(
  asked: Asked,
  query: RecallQuery,
  { embedder, weight, cache }: Weighted,
): Promise<(Ranked<Unit> & { why: RecallWhy })[]> {
  const limit = query.limit ?? 20
  const { ranked, segments, where } = await search(asked, query, Math.max(limit, CANDIDATES))
  const found = new Map(ranked.map((one) => [one.unit.id, one]))
  const all = segments.flatMap((segment) => [...segment.docs()]).filter(({ unit }) => where(unit))
  await embedMissing(
    asked,
    embedder,
    cache,
    all.map(({ id }) => id),
  )
  const [question] = await vectorsOf(embedder, [query.text.slice(0, 8000)])
  const near = all.map((doc) => ({ doc, cosine: cosine(question!, cache.get(keyOf(embedder, asked, doc.id))) }))
  const meanOf = near.reduce((sum, one) => sum + one.cosine, 0) / Math.max(1, near.length)
  const spread =
    Math.sqrt(near.reduce((sum, one) => sum + (one.cosine - meanOf) ** 2, 0) / Math.max(1, near.length)) || 1
  const unit = spreadOf(ranked.map(({ score }) => score))
  const scored = near.map(({ doc, cosine: value }) => {
    const words = found.get(doc.id)
    const adds = weight * unit * ((value - meanOf) / spread)
    const parts = words?.parts ?? factorsFor(doc, query.text, doc.unit.authority ?? 1)
    return {
      unit: doc.unit,
      score: (words?.score ?? 0) + adds,
      parts,
      why: { ...parts, vector: { model: embedder.model, cosine: value, weight, adds } },
    }
  })
  scored.sort((a, b) => b.score - a.score || b.unit.at - a.unit.at || (a.unit.id < b.unit.id ? -1 : 1))
  return scored.slice(0, limit)
}

/** Tries the weights on questions and answers the best; 0 unless another is better by more than one answer in a hundred. */
export async function calibrated(
  model: string,
  questions: readonly Question[],
  recallAt: (question: Question, weight: number) => Promise<readonly string[]>,
): Promise<Calibrated> {
  if (questions.length === 0)
    throw new KeelsonError('INPUT_INVALID', 'there is nothing to calibrate by', {
      hint: 'Pass questions with the ids of the memories that answer them; some fifty tell more than five.',
    })
  const shares: Record<string, number> = {}
  let best = { weight: 0, share: 0 }
  for (const weight of WEIGHTS) {
    let sum = 0
    for (const question of questions) {
      const ids = await recallAt(question, weight)
      sum += question.answers.filter((id) => ids.includes(id)).length / Math.max(1, question.answers.length)
    }
    const share = sum / questions.length
    shares[String(weight)] = share
    if (weight === 0) best = { weight, share }
    else if (share > best.share + (best.weight === 0 ? 0.01 : 0)) best = { weight, share }
  }
  return { model, weight: best.weight, recallAt10: shares }
}

async function embedMissing(
  asked: Asked,
  embedder: Embedder,
  cache: Map<string, Float32Array>,
  ids: readonly string[],
): Promise<void> {
  const missing = ids.filter((id) => !cache.has(keyOf(embedder, asked, id)))
  if (cache.size + missing.length > CACHE_MAX) cache.clear()
  for (let at = 0; at < missing.length; at += 100) {
    const page = missing.slice(at, at + 100)
    const records = await recordsOf(asked.store, asked.workspace, page)
    const texts = page.map((id) => records.get(id)?.text.slice(0, 8000) ?? '')
    const vectors = await vectorsOf(embedder, texts)
    page.forEach((id, i) => cache.set(keyOf(embedder, asked, id), vectors[i]!))
  }
}

async function vectorsOf(embedder: Embedder, texts: readonly string[]): Promise<Float32Array[]> {
  const vectors = (await embedded(embedder, texts)).map((one) => Float32Array.from(one))
  if (vectors.length === texts.length) return vectors
  throw new KeelsonError('MODEL_FAILED', `${embedder.model} embedded ${vectors.length} of ${texts.length} texts`)
}

/** An embedder may be anybody's code: whatever it throws is its failure, and no other. */
async function embedded(embedder: Embedder, texts: readonly string[]): ReturnType<Embedder['embed']> {
  try {
    return await embedder.embed(texts)
  } catch (cause) {
    if (KeelsonError.is(cause)) throw cause
    throw new KeelsonError('MODEL_FAILED', `${embedder.model} could not embed: ${String(cause)}`, { cause })
  }
}

/** Vectors are found by id: a memory's text never changes. */
function keyOf({ model }: Embedder, { workspace }: Asked, id: string): string {
  return `${sha256(`${workspace} ${model}`).slice(0, 8)}/${id}`
}

function cosine(a: Float32Array, b: Float32Array | undefined): number {
  if (b === undefined) return 0
  let [dot, lengthA, lengthB] = [0, 0, 0]
  for (let at = 0; at < a.length; at++) {
    dot += a[at]! * b[at]!
    lengthA += a[at]! ** 2
    lengthB += b[at]! ** 2
  }
  return dot / (Math.sqrt(lengthA * lengthB) || 1)
}

function spreadOf(values: readonly number[]): number {
  if (values.length === 0) return 1
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length
  return Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / values.length) || 1
}
