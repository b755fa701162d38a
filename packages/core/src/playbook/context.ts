/** Context: what playbook code sees: every way to do something that is remembered. */
import type { z } from 'zod'
import type { Agent } from '../agent/agent.ts'
import type { Actor } from '../base/actor.ts'
import type { Duration } from '../base/duration.ts'
import type { Logger } from '../base/log.ts'
import type { Json, Stored } from '../base/value.ts'
import type { Action } from '../connector/action.ts'
import type { Artifacts } from '../memory/artifact.ts'
import type { Entity, EntityType } from '../memory/entity.ts'
import type { Taxonomy } from '../base/taxonomy.ts'
import type { Templates } from '../memory/template.ts'
import type { RunEntityStore } from '../memory/entity-store.ts'
import type { RunMemory } from '../memory/handle.ts'
import type { Settings } from '../policy/settings.ts'
import type { OnSilence, RungOptions } from '../policy/verdict.ts'
import type { EventType } from './event.ts'

/** What really executed. */
export interface Effect<In, Out> {
  readonly id: string
  readonly input: In
  readonly output: Out
  /** A person changed the input before it executed. */
  readonly edited: boolean
  /** Why it was allowed. */
  readonly verdict: string
  /** Another asker's effect of the same intent answered; nothing was executed for this one. */
  readonly deduplicated: boolean
  /** That earlier effect had another input. */
  readonly differs: boolean
  /** It had failed, and this person said that it happened, and with what output; of a read: what it answered. */
  readonly setBy?: Actor
}

/** A person's no. */
export interface Decline {
  readonly reason: string
  readonly text?: string
  readonly by: Actor
}

export interface ActOptions<In> {
  /** What the input rests on: entities, earlier outputs. Shown to whoever decides; read by revert and labels. */
  readonly because?: readonly unknown[]
  /** Extends the intent where equal input is meant to be another effect. */
  readonly key?: string
  /**
   * Answers a person's no with a new proposal, linked to the old one; at most five times. `undefined` takes the no as it is:
   * `ACTION_DECLINED` is thrown.
   */
  readonly revise?: (input: In, decline: Decline) => Promise<In | undefined> | In | undefined
  /** Of a cached read: the oldest answer that will do. '0s': a fresh one. */
  readonly maxAge?: Duration
}

/** An effect that a plan proposes: what `ctx.intend` returns. */
export interface Intent {
  readonly action: string
}

export interface ProposeOptions {
  /** When silence counts: without `onSilence` the plan is then declined. */
  readonly timeout?: Duration
  /** What silence comes to at `timeout`: it never approves. */
  readonly onSilence?: OnSilence
  /** Who is told when nobody answers, one after the other. */
  readonly escalate?: readonly RungOptions[]
  /** After a line that failed: leave the rest out (default), or go on. */
  readonly onFailure?: 'stop' | 'continue'
  /** Answers a person's no with another plan, linked to the old one; at most five times. */
  readonly revise?: (decline: Decline) => Promise<readonly Intent[]> | readonly Intent[]
}

export interface PlanLineResult {
  /** '1', '2' … in the order of the plan. */
  readonly id: string
  readonly action: string
  readonly state: 'done' | 'skipped' | 'failed'
  /** Why it was left out, or failed. */
  readonly reason?: string
  /** What executed, or would have. */
  readonly input: Json
  /** A person changed the input. */
  readonly edited: boolean
  readonly output?: Json
  readonly error?: { readonly code: string; readonly message: string }
}

/** What became of a plan, line by line. */
export interface PlanResult {
  /** The inbox item that was decided. */
  readonly item: string
  readonly lines: readonly PlanLineResult[]
}

export interface DelegateOptions {
  /** What the agent is shown beside its task: contexts of memory, and fenced off as data entities, earlier outputs, blocks with a label. */
  readonly about?: readonly (Entity<unknown> | { readonly label: string; readonly data: unknown } | object)[]
  /** What the input rests on, as in `act`. */
  readonly because?: readonly unknown[]
}

export interface Retry {
  /** Tries in all. Default 3. */
  readonly attempts?: number
  /** Delay before the second try; doubles from there, jittered. Default '1s'. */
  readonly first?: Duration
  /** Longest delay. Default '5m'. */
  readonly longest?: Duration
}

export interface StepOptions {
  /** How it is tried again when it throws. Default: three tries in all. */
  readonly retry?: Retry
  /** The longest that one try may take; then it fails as STEP_TIMEOUT. Default: no limit. */
  readonly timeout?: Duration
}

export interface Context {
  /**
   * A named unit of work whose outcome is remembered: run at least once, never again once recorded.
   * It may compute and read; what it writes elsewhere is outside all promises.
   */
  step<T>(
    name: string,
    work: (o: { signal: AbortSignal; attempt: number }) => Promise<T> | T,
    options?: StepOptions,
  ): Promise<Stored<T>>
  /** Executes an action through the gate and returns its output. Throws `ACTION_DECLINED`, `ACTION_DENIED`, `ACTION_FAILED`. */
  act<In, Out>(action: Action<In, Out>, input: NoInfer<In>, options?: ActOptions<NoInfer<In>>): Promise<Out>
  /** As `act`, with what really executed and why. */
  effect<In, Out>(
    action: Action<In, Out>,
    input: NoInfer<In>,
    options?: ActOptions<NoInfer<In>>,
  ): Promise<Effect<In, Out>>
  /**
   * Asks an agent. Its answer fits its output schema. Throws `MODEL_FAILED`, `OUTPUT_INVALID`, `AGENT_DENIED`,
   * `BUDGET_REFUSED`.
   */
  delegate<In, Out>(agent: Agent<In, Out>, input: NoInfer<In>, options?: DelegateOptions): Promise<Out>
  /**
   * Puts a question to the operator. With a timeout, throws `STEP_TIMEOUT` when nobody answers in time; where `onSilence` reminds or
   * escalates, the timeout is how often, and it waits on.
   */
  ask<S extends z.ZodType>(
    question: string,
    options: { answer: S; timeout?: Duration; onSilence?: OnSilence; escalate?: readonly RungOptions[] },
  ): Promise<z.output<S>>
  /** A yes or no. Silence never approves. */
  approve(
    question: string,
    options?: { onSilence?: OnSilence; timeout?: Duration; escalate?: readonly RungOptions[] },
  ): Promise<boolean>
  /** An effect to propose. Nothing happens until a plan with it is approved. */
  intend<In, Out>(
    action: Action<In, Out>,
    input: NoInfer<In>,
    options?: { because?: readonly unknown[]; key?: string },
  ): Intent
  /**
   * Puts many effects to a person as one decision; lines may be edited or left out. Exactly the approved ones execute, in
   * order, through the gate. Throws `ACTION_DECLINED` when the plan is rejected, or nobody answers in time.
   */
  propose(title: string, plan: readonly Intent[], options?: ProposeOptions): Promise<PlanResult>
  sleep(duration: Duration | { until: string }): Promise<void>
  /**
   * The next event of this type since the run began that this run has not had yet. Throws `INPUT_INVALID` where `match` has
   * a field that the event's schema does not, or a value there that it never lets through.
   */
  waitFor<T>(event: EventType<T>, options?: { match?: Partial<NoInfer<T>>; since?: number }): Promise<T>
  waitFor<T>(
    event: EventType<T>,
    options: { match?: Partial<NoInfer<T>>; timeout: Duration; since?: number },
  ): Promise<T | undefined>
  emit<T>(event: EventType<T>, payload: NoInfer<T>): Promise<void>
  /** Runs another playbook, which is registered, too, and waits for its result. Throws its error; `PLAYBOOK_NOT_FOUND`. */
  call<In, Out>(playbook: Playbook<In, Out>, input: NoInfer<In>): Promise<Out>
  /** A branch per item, each with a context of its own. `key` names the branch; results come in order of items. */
  all<T, R>(
    items: readonly T[],
    key: (item: T) => string,
    branch: (ctx: Context, item: T) => Promise<R>,
    options?: { atOnce?: number; onError?: 'wait' | 'cancel' },
  ): Promise<R[]>
  /** Declares a point: everything settled before it is final for recovery; restart and revert aim at it. */
  checkpoint(name: string): Promise<void>
  /** Ends this run's journal and goes on with a new input and an empty one, under the same id. Never returns. */
  continueAsNew(input: Json): Promise<never>
  entities<T>(type: EntityType<T>): RunEntityStore<T>
  /** Bytes and texts, kept under their hash. */
  readonly artifacts: Artifacts
  /** The operator's templates; what is read is the version of this moment. */
  readonly templates: Templates
  /** The words by which the company sorts. */
  taxonomy(): Promise<Taxonomy>
  /** What is remembered: working memory of this run, what was said and happened, facts, preferences, rules. */
  readonly memory: RunMemory
  /** This company's settings, as of the last remembered outcome. */
  readonly settings: Settings
  /** The instant of the last remembered outcome, in milliseconds. The same on every replay. */
  now(): number
  /** In [0, 1). The same on every replay; in a step, of each try of it. */
  random(): number
  /** An id, unique in the workspace. The same on every replay; in a step, of each try of it. */
  id(): string
  /** Speaks once, not again on replay. */
  readonly log: Logger
}

/** A durable workflow, typed and versioned. */
export interface Playbook<In, Out> {
  readonly name: string
  readonly version: number
  readonly '~in'?: (input: In) => void
  readonly '~out'?: Out
}
