/** Keelson: puts the parts together: createConductor opens, migrates and checks; runs go on by themselves. */
import { noModels } from './agent/model.ts'
import type { Actor } from './base/actor.ts'
import { systemClock, type Clock } from './base/clock.ts'
import { KeelsonError } from './base/errors.ts'
import { systemIds } from './base/ids.ts'
import { harmless, lines, logsTo, silent } from './base/log.ts'
import { loadZod } from './base/zod.ts'
import { budgetPlaybook } from './conductor/budget-run.ts'
import { limiting, tellMisnamed } from './limiting.ts'
import { announcePolicy, policyPlaybook } from './conductor/policy-change.ts'
import { Company, type Life } from './conductor/company.ts'
import { toAdopt } from './conductor/waiting.ts'
import { Loop } from './conductor/conductor.ts'
import { ReadCache } from './conductor/effect/read-cache.ts'
import { Windows } from './conductor/effect/windows.ts'
import { EntityTypes } from './conductor/entity-types.ts'
import { openChecked } from './conductor/migrate.ts'
import { openOnce, orClosed, released } from './conductor/open-once.ts'
import { EFFECT_PLAYBOOK } from './conductor/effect/hand-over.ts'
import { effectInternals, effectPlaybook } from './conductor/effect/run.ts'
import type { Environment } from './conductor/environment.ts'
import { escalationPlaybook } from './conductor/escalation.ts'
import { eventPlaybook } from './conductor/event-run.ts'
import { retryEffectsOf, retryHeld } from './conductor/held.ts'
import { createWorkspace, lifeOf } from './conductor/life.ts'
import { assertListener, Lifecycle, type LifecycleEvents } from './conductor/lifecycle.ts'
import { speak } from './conductor/speak.ts'
import { teller } from './conductor/notice.ts'
import { Notifier } from './conductor/notifier.ts'
import { ActionRegistry } from './conductor/registry.ts'
import type { Internals } from './conductor/pass.ts'
import { REVERT_PLAYBOOK, revertInternals, revertPlaybook } from './conductor/revert/revert.ts'
import { rehearse, type Rehearsal, type RehearseOptions } from './conductor/upgrade.ts'
import { maintenancePlaybook } from './conductor/upkeep/playbook.ts'
import { SCHEDULE_PLAYBOOK, scheduleInternals, schedulePlaybook } from './conductor/schedule.ts'
import { telling } from './conductor/telling.ts'
import { definitionOf } from './connector/action.ts'
import { keepAnchoring } from './audit/schedule.ts'
import { trusting } from './conductor/trust/use.ts'
import { together } from './conductor/projections.ts'
import { alertPlaybook } from './metrics/alerts.ts'
import { counting } from './metrics/counting.ts'
import { itemOf } from './inbox/item.ts'
import type { MemoryStore } from './journal/store.ts'
import { lessons } from './conductor/memory/lessons.ts'
import { proposalPlaybook } from './conductor/memory/proposal.ts'
import { remembering } from './conductor/memory/vectors.ts'
import { Catalog } from './playbook/catalog.ts'
import { playbookOf } from './playbook/playbook.ts'
import { ruleEngine, type PolicyEngine } from './policy/gate.ts'
import { settingsShape } from './policy/settings.ts'
import { checkingGiven } from './given.ts'
import { assertOptions, LIMITS, type ConductorOptions } from './options.ts'
import { workspaceOf, type Workspace } from './workspace.ts'

/** All the companies of a store. */
export interface Workspaces {
  /** Those that hold anything and were not deleted. */
  list(): Promise<readonly string[]>
  /** Makes one, or begins a deleted one anew, and says who did. A workspace also exists from its first use. */
  create(id: string, options: { by: Actor }): Promise<Workspace>
  state(id: string): Promise<Life['state']>
}

/** The runtime. The verbs of a workspace mean workspace 'default' here. */
export interface Conductor extends Omit<Workspace, 'id' | 'rehearse'> {
  workspace(id: string): Workspace
  readonly workspaces: Workspaces
  /** Replays the runs of every workspace on the code of this process, before it takes work: `work: false`. */
  rehearse(options?: RehearseOptions): Promise<Rehearsal>
  /** Listens to what happens. Returns what ends it. A listener that throws never harms a run. */
  on<K extends keyof LifecycleEvents>(name: K, listener: (event: LifecycleEvents[K]) => void): () => void
  /** Drops what was made of a connector's credentials: they are asked for again at the next use. */
  credentialsChanged(connector: string): Promise<void>
  /** Resolves when nothing is in flight and nothing more is due now. */
  quiet(): Promise<void>
  /** Starts nothing new, lets running steps be recorded, gives the rest back, closes the store. Default limit 30 s. */
  stop(options?: { withinMs?: number }): Promise<void>
  /** Lets go of everything at once, as a crash would. For tests. */
  abandon(): void
}

/** Those that were created under a name, each with the store that it was given. */
const named = new Map<string, { readonly conductor: Conductor; readonly store: MemoryStore }>()
/** What is under way for a name: one creation after the other. */
const turns = new Map<string, Promise<void>>()

/** What `createConductor` of `start.ts` does. */
export async function openConductor(options: ConductorOptions): Promise<Conductor> {
  assertOptions(options)
  await loadZod()
  const { name } = options
  if (name !== undefined) return inTurn(name, () => replacing(name, options))
  return (await prepared(options))()
}

/**
 * The earlier one of this name is stopped when nothing is left that could keep the new one from its work: it goes on where
 * the new one is refused. A store that both were given can only be opened when the earlier one has closed it.
 */
async function replacing(name: string, options: ConductorOptions): Promise<Conductor> {
  const earlier = named.get(name)
  const { store } = options
  if (earlier?.store === store) {
    definitionsOf(options)
    await earlier.conductor.stop()
  }
  const begin = await prepared(options)
  await orClosed(store, async () => named.get(name)?.conductor.stop())
  const conductor = begin()
  named.set(name, { conductor, store })
  return conductor
}

async function inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
  const mine = (turns.get(name) ?? Promise.resolve()).then(work)
  const over = mine.then(
    () => {},
    () => {},
  )
  turns.set(name, over)
  try {
    return await mine
  } finally {
    if (turns.get(name) === over) turns.delete(name)
  }
}

/** What follows from the options alone. Throws `DEFINITION_INVALID`. */
function definitionsOf(options: ConductorOptions) {
  return {
    catalog: catalogOf(options),
    actions: registryOf(options),
    ...knownOf(options),
    policy: engineOf(options.policy),
    ...limiting(options),
    settings: settingsShape(options.settings),
  }
}

/** Opens the store, and answers what begins the work: at once, so that nothing of it is over before anybody can listen. */
async function prepared(options: ConductorOptions): Promise<() => Conductor> {
  const definitions = definitionsOf(options)
  const { settings } = definitions
  const log = harmless(options.log ?? (process.env['NODE_ENV'] === 'production' ? silent : lines))
  const clock = options.clock ?? systemClock
  const ids = options.ids ?? systemIds
  const worker = `${options.name ?? 'conductor'}-${ids.id()}`
  const store = telling(options.store, {
    delivered: (workspace, runs) => {
      for (const run of runs) loop.mailFor(workspace, run)
    },
    companyMoved: (workspace) => env.company(workspace).moved(),
  })
  const { frozen } = await openOnce(options.store, () =>
    openChecked(store, { worker, now: () => clock.now() }, { ...options, settings }),
  )
  const lifecycle = new Lifecycle((thrown, name) =>
    log.error({ hint: 'It harmed no run.' }, `a listener of ${name} threw: ${String(thrown)}`),
  )
  const env: Environment = {
    store,
    clock,
    ids,
    log,
    limits: { ...LIMITS, ...options.limits },
    ...definitions,
    ...{ cache: new ReadCache(), windows: new Windows(clock) },
    models: options.models ?? noModels,
    projections: together([counting, lessons, trusting]),
    alerts: options.alerts ?? [],
    trust: options.trust ?? [],
    company: companiesOf({ store, clock, ids, settings }),
    tell: teller(options.channels ?? {}, itemOf),
    ...remembering(store, options.embeddings),
    emit: (name, event) => lifecycle.emit(name, event),
    nudge: () => loop.poke(),
    expectsCode: options.work !== false || options.playbooks.length > 0,
    endWithoutCode: (workspace, run) => loop.endWithoutCode(workspace, run),
  }
  const loop = new Loop(env, {
    worker,
    concurrency: options.work === false ? 0 : (options.concurrency ?? 100),
    workspaces: options.workspaces,
    beatMs: env.limits.beatMs,
    internals: (playbook) => INTERNALS[playbook],
  })
  await orClosed(options.store, async () => {
    for (const { workspace, why } of frozen) await freezeCopy(env, workspace, why)
  })
  return () => beginning(options, { env, loop, lifecycle })
}

function beginning(
  options: ConductorOptions,
  { env, loop, lifecycle }: Pick<Parts, 'env' | 'loop' | 'lifecycle'>,
): Conductor {
  const { store, log, clock } = env
  const notifier = new Notifier(options.keepAlive === false || options.work !== false ? undefined : () => stay(clock))
  speak(lifecycle, log)
  tellMisnamed(env)
  const unwatch = store.watch((change) => {
    if (change.runs.length === 0) env.company(change.workspace).moved()
    notifier.tell(change)
    loop.changed(change.workspace, change.runs)
  })
  if (options.work !== false) begin(env, loop, lifecycle)
  const endAnchors = options.anchors === undefined ? async () => {} : keepAnchoring(env, options.anchors)
  return assemble(options, { env, loop, lifecycle, notifier, unwatch, store, endAnchors })
}

/**
 * Claims what is due; held runs are looked at now, and whenever code is brought that they may wait for; what is open under
 * other rules is judged again. What a failing store cut short is done when it works again.
 */
function begin(env: Environment, loop: Loop, lifecycle: Lifecycle): void {
  loop.start()
  const surely = (what: string, work: () => Promise<void>): void => {
    work().catch((error: unknown) => {
      if (KeelsonError.is(error, 'STORE_CLOSED')) return // it was stopped meanwhile: the next start sees to it
      env.log.warn({}, `${what}: ${String(error)}`)
      if (!KeelsonError.is(error) || !error.code.startsWith('STORE_')) return
      const off = lifecycle.on('store.recovered', () => {
        off()
        surely(what, work)
      })
      loop.failed(error)
    })
  }
  env.actions.onLearned((action) =>
    surely('effects that wait could not be looked at', () => retryEffectsOf(env, action)),
  )
  surely('held runs could not be looked at', () => retryHeld(env))
  surely('open effects could not be judged again', () => announcePolicy(env))
}

function companiesOf(parts: ConstructorParameters<typeof Company>[1]): Environment['company'] {
  const companies = new Map<string, Company>()
  return (workspace) => {
    const known = companies.get(workspace)
    if (known !== undefined) return known
    const company = new Company(workspace, parts)
    companies.set(workspace, company)
    return company
  }
}

interface Parts {
  readonly env: Environment
  readonly loop: Loop
  readonly lifecycle: Lifecycle
  readonly notifier: Notifier
  readonly unwatch: () => void
  readonly store: MemoryStore
  readonly endAnchors: () => Promise<void>
}

function knownOf({ entities, events = [] }: ConductorOptions): Pick<Environment, 'entities' | 'events'> {
  return { entities: new EntityTypes(entities), events }
}

function assemble(options: ConductorOptions, parts: Parts): Conductor {
  const { env, loop, lifecycle, notifier } = parts
  const workspaces = new Map<string, Workspace>()
  const workspace = (id: string): Workspace => {
    let made = workspaces.get(id)
    if (made === undefined) {
      made = logsTo(workspaceOf({ env, notifier, mayDecide: options.mayDecide, anchors: options.anchors }, id), env.log)
      workspaces.set(id, made)
    }
    return made
  }
  const alive = options.work === false || options.keepAlive === false ? undefined : stay(env.clock)
  let stopped: Promise<void> | undefined
  const close = async (withinMs: number): Promise<void> => {
    alive?.()
    await loop.stop(withinMs)
    await parts.endAnchors()
    parts.unwatch()
    notifier.close()
    try {
      await env.actions.close()
    } finally {
      await parts.store.close().finally(() => {
        released(options.store)
        for (const [name, one] of named) if (one.conductor === conductor) named.delete(name)
      })
    }
  }
  const { id: _id, ...verbs } = workspace('default')
  const rehearsal: Conductor['rehearse'] = async (options) => rehearse(env, await conductor.workspaces.list(), options)
  const conductor: Conductor = {
    ...verbs,
    workspace,
    workspaces: checkingGiven(workspacesOf(env, workspace), 'workspaces.'),
    ...checkingGiven({ rehearse: rehearsal }),
    on: (name, listener) => {
      assertListener(name, listener)
      return lifecycle.on(name, listener)
    },
    credentialsChanged: (connector) => {
      env.cache.forget(connector)
      return env.actions.credentialsChanged(connector)
    },
    quiet: () => loop.quiet(),
    stop: ({ withinMs = 30_000 } = {}) => (stopped ??= close(withinMs)),
    abandon() {
      alive?.()
      void parts.endAnchors()
      loop.abandon()
      parts.unwatch()
      notifier.close()
      released(options.store)
    },
  }
  return conductor
}

function workspacesOf(env: Environment, workspace: (id: string) => Workspace): Workspaces {
  return {
    async list() {
      const names = await env.store.workspaces()
      const lives = await Promise.all(names.map((name) => lifeOf(env, name)))
      return names.filter((_, at) => lives[at]!.state !== 'deleted')
    },
    async create(id, { by }) {
      const made = workspace(id)
      await createWorkspace(env, id, by)
      return made
    },
    state: async (id) => (await lifeOf(env, workspace(id).id)).state,
  }
}

/** What built-in playbooks add to their passes. */
const INTERNALS: { readonly [playbook: string]: Internals | undefined } = {
  [EFFECT_PLAYBOOK]: effectInternals,
  [REVERT_PLAYBOOK]: revertInternals,
  [SCHEDULE_PLAYBOOK]: scheduleInternals,
}

/** Far enough that it never comes; the clock arms it in slices. */
const YEARS = 100 * 365 * 86_400_000

/** Keeps the process alive until what it answers is called. */
function stay(clock: Clock): () => void {
  return clock.timer(clock.now() + YEARS, () => {})
}

function catalogOf(options: ConductorOptions): Catalog {
  const catalog = new Catalog(options.playbooks)
  const built = [
    alertPlaybook(),
    effectPlaybook(),
    escalationPlaybook(),
    eventPlaybook(),
    revertPlaybook(),
    schedulePlaybook(),
    budgetPlaybook(),
    policyPlaybook(),
    proposalPlaybook(),
    playbookOf(maintenancePlaybook()),
  ]
  for (const own of built) catalog.add(own)
  return catalog
}

function registryOf(options: ConductorOptions): ActionRegistry {
  const registry = new ActionRegistry(
    options.connectors ?? [],
    (options.actions ?? []).map((one) => definitionOf(one)),
    options.credentials,
    options.stray,
  )
  const catalog = new Catalog(options.playbooks)
  for (const playbook of catalog.all()) for (const used of playbook.usedActions) registry.learn(used)
  return registry
}

function engineOf(policy: ConductorOptions['policy']): PolicyEngine {
  if (policy === undefined) return ruleEngine(undefined)
  return 'judge' in policy ? policy : ruleEngine(policy)
}

async function freezeCopy(env: Environment, workspace: string, why: 'copy' | 'behind'): Promise<void> {
  const reason =
    why === 'copy' ? 'this store is a copy of another' : 'this store is older than what it has seen: a restored backup'
  await env.company(workspace).setFrozen(toAdopt(reason), { kind: 'system', id: 'keelson' })
  env.log.warn(
    { hint: `workspace('${workspace}').adopt({ by }) makes it the one that goes on.` },
    `workspace ${workspace} starts frozen: ${reason}`,
  )
}
