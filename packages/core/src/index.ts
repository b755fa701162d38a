/** The public names of @keelson/core. */

/* the conductor */
export { createConductor } from './start.ts'
export type { Conductor, Workspaces } from './keelson.ts'
export type { ConductorOptions } from './options.ts'
export type { Runs, RunSummary, Workspace } from './workspace.ts'
export type { Run, StartOptions } from './conductor/runs.ts'
export type { HowToEnd, RunStatus } from './conductor/status.ts'
export type { WaitInfo } from './conductor/waiting.ts'
export type { RunVerbs } from './conductor/verbs.ts'
export type { LifecycleEvents } from './conductor/lifecycle.ts'
export type { Schedules, ScheduleOptions } from './conductor/schedule.ts'

/* playbooks */
export { definePlaybook, type Changes } from './playbook/playbook.ts'
export type { Baseline } from './playbook/baseline.ts'
export { defineEvent, type EventType } from './playbook/event.ts'
export type {
  ActOptions,
  Context,
  Decline,
  Effect,
  Intent,
  PlanLineResult,
  PlanResult,
  Playbook,
  ProposeOptions,
  DelegateOptions,
  Retry,
  StepOptions,
} from './playbook/context.ts'

/* agents */
export { defineAgent, type Agent, type AnyAgent } from './agent/agent.ts'
export { aiModels, type ModelAnswer, type ModelCall, type Models } from './agent/model.ts'
export type { Block } from './agent/prompt.ts'
export type { Price, Prices, Usage } from './agent/price.ts'

/* entities */
export { defineEntity, type Entity, type EntityDefinition, type EntityKey, type EntityType } from './memory/entity.ts'
export type { Upcast } from './base/upcast.ts'
export type {
  AsOf,
  Changed,
  CreateOptions,
  Contradicted,
  Drift,
  EntityErased,
  EntityStore,
  RunEntityStore,
  ListOptions,
  Note,
  Page,
  When,
  Why,
} from './memory/entity-store.ts'
export type { TimelineOptions, WriteOptions } from './memory/entity-store.ts'
export type { EntityDesk } from './conductor/editor.ts'
export type { Migration } from './conductor/migrate.ts'
export type { TimelineEvent } from './memory/change.ts'
export type { CacheDesk } from './conductor/cache-desk.ts'
export type { ArtifactDesk, TaxonomyDesk, TemplateDesk } from './conductor/library.ts'
export { artifactRef, type ArtifactDiff, type ArtifactOptions, type ArtifactRef } from './memory/artifact.ts'
export type { Artifacts } from './memory/artifact.ts'
export { Template, type Filled, type Templates, type TemplateText } from './memory/template.ts'
export type { Taxonomy, TaxonomyName, Term, Terms } from './base/taxonomy.ts'
export { lifecycle, type Lifecycle, type Transition } from './memory/lifecycle.ts'

/* memory */
export { sameWords, type Consolidator } from './memory/consolidate.ts'
export { embeddings } from './conductor/memory/vectors.ts'
export type { Calibrated, Embedder, Question } from './memory/recall/vector.ts'
export type { Amendment, Change, ChangeOp, EntityWritten, Remembered } from './memory/change-set.ts'
export type { ContextItem, ContextLeft, ContextLog, ContextPack } from './memory/context.ts'
export type {
  MemoryChanges,
  ChangeSet,
  ContextQuery,
  Diff,
  Erased,
  FactsQuery,
  HistoryQuery,
  Imported,
  ImportItem,
  Retention,
  Reverted,
  RunMemory,
  ScopeOptions,
  Tombstone,
  Working,
  WorkingOptions,
  WorkspaceMemory,
} from './memory/handle.ts'
export type { NewEvent, NewMemory, Subject } from './memory/input.ts'
export type { Blocked } from './memory/invert.ts'
export type { Learned } from './memory/learn.ts'
export type { Recalled, RecallQuery, RecallWhy } from './memory/recall/recall.ts'
export type { Expiring, RetentionPolicy } from './memory/retention.ts'
export type { Authority, Evidence, Load, Memory, MemoryKind, Role } from './memory/unit.ts'

/* actions and connectors */
export {
  action,
  ActionError,
  type Action,
  type ActionDefinition,
  type ActionRun,
  type Failure,
  type Idempotency,
  type Reconciled,
  type Tags,
  type Simulation,
  type RejectReason,
  type Risk,
} from './connector/action.ts'
export type { Preview, PreviewFile, PreviewRow, PreviewSource, PreviewTable } from './connector/preview.ts'
export { defineConnector, type Connector, type ConnectorDefinition, type ConnectorUse } from './connector/connector.ts'

/* policy */
export { policy } from './policy/policy.ts'
export type { Look, Lookup, PolicyGate, Rule } from './policy/rule.ts'
export type { Expected, Trial } from './policy/trial.ts'
export type { Label } from './base/labels.ts'
export type { Find, Intended, PolicyEngine } from './policy/gate.ts'
export type { Judgement, OnSilence, Rung, RungOptions, Verdict } from './policy/verdict.ts'
export type { Budgets, BudgetState } from './conductor/budgets.ts'
export type { PolicyDifference, Explained, PolicyVerbs } from './conductor/explain.ts'
export { definePersona, type Persona } from './policy/persona.ts'
export { defineBudget, type Budget, type Per, type Spending } from './policy/budget.ts'
export type { Day, Hours, WallTime } from './policy/hours.ts'
export type { RateLimit } from './base/rate.ts'
export type { Settings, SettingsDefinition } from './policy/settings.ts'

/* people */
export type {
  AttenuateOptions,
  GrantCap,
  GrantHolder,
  GrantOptions,
  Grants,
  GrantStatus,
  GrantUse,
} from './conductor/grants.ts'
export type { Grant } from './policy/grant.ts'
export type { GrantSuggestion, SuggestOptions } from './conductor/suggest.ts'
export type { Shadow, ShadowTarget } from './conductor/shadow/shadow.ts'
export type { Outcome, ShadowDiff, ShadowOptions, ShadowPair, ShadowReport } from './conductor/shadow/report.ts'
export type { Fidelity, Likeness, Unsimulated } from './conductor/shadow/fidelity.ts'
export type { FieldPair } from './conductor/shadow/agreement.ts'
export type { DeedOptions } from './conductor/shadow/deed.ts'
export type { ShadowModes } from './conductor/company.ts'
export type { Inbox, InboxQuery } from './inbox/inbox.ts'
export type { Decided, Decision, MayDecide } from './inbox/decide.ts'
export type { Edit } from './inbox/edit.ts'
export type { BatchDecision, BatchResult, ItemGroup, Reviewed } from './inbox/batch.ts'
export type { Fatigue } from './inbox/fatigue.ts'
export type { Held, Holds } from './inbox/holds.ts'
export type { InboxItem, Notice } from './inbox/item.ts'
export type { PlanLine, Provenance } from './conductor/item.ts'
export type { Flag } from './base/glyphs.ts'
export type { Audit } from './audit/audit.ts'
export type { Anchor, AnchorSink } from './audit/anchor.ts'
export type { Anchored } from './audit/anchor-check.ts'
export { verifyExport } from './audit/export.ts'
export type { FieldStory } from './audit/field.ts'
export type { AuditLine, AuditPage, AuditQuery } from './audit/query.ts'
export type { AnchorOptions } from './audit/schedule.ts'
export { keyIdOf, signerFromPem, type Signer } from './base/sign.ts'
export type { Verification } from './audit/verify.ts'
export type { Revert, RevertCause, RevertResult } from './conductor/revert/revert.ts'
export type { RevertLine } from './conductor/revert/line.ts'
export type { RevertPlan } from './conductor/revert/plan.ts'
export type { Dependent } from './conductor/revert/dependents.ts'
export type { RevertTarget } from './conductor/revert/target.ts'

/* upgrades */
export type { Rehearsal, Rehearsed, RehearseOptions, Upgraded, UpgradeOptions } from './conductor/upgrade.ts'
export type { RehearsalVerdict } from './conductor/rehearse.ts'

/* moving */
export type { ExportOptions } from './bundle/export.ts'
export type { ImportOptions, ImportReport } from './bundle/import.ts'
export type { Merged, MergeOptions, MergeReport } from './bundle/merge.ts'
export type { BundleSource } from './bundle/read.ts'
export { diffBundles, type BundleChange, type BundleDiff, type FieldChange } from './bundle/diff.ts'

/* maintenance */
export type { Maintenance, MaintenanceSchedule, MaintenanceStatus } from './conductor/upkeep/maintenance.ts'
export type { MaintenancePart, MaintenancePlan, MaintenanceReport, PartReport } from './conductor/upkeep/playbook.ts'
export type { PruneOptions, PruneReport } from './conductor/upkeep/prune.ts'

/* trust */
export { defineTrust, type AutoPromote, type TrustRule } from './policy/trust-rule.ts'
export type { TrustRung } from './policy/trust.ts'
export type { CeilingOptions, Trust, Trusted } from './conductor/trust/trust.ts'
export type { DigestLine, DigestSpan, TrustDigest } from './conductor/trust/digest.ts'

/* metrics */
export type { Metrics } from './metrics/metrics.ts'
export type { MetricsQuery, MetricsReport } from './metrics/report.ts'
export type { Compounding, Measures, Rate, Retries } from './metrics/measures.ts'
export type { Investment } from './metrics/invest.ts'
export type { Alerts } from './metrics/alerts.ts'
export type { Alert, AlertAct, AlertRung } from './conductor/alert.ts'

/* values */
export { KeelsonError, type ErrorCode } from './base/errors.ts'
export type { Actor, Money } from './base/actor.ts'
export { duration, type Duration } from './base/duration.ts'
export type { Category } from './connector/facts.ts'
export type { Json, Returned, Stored } from './base/value.ts'
export type { Logger } from './base/log.ts'

/* ports */
export type { MemoryStore } from './journal/store.ts'
