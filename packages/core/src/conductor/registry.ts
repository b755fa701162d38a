/**
 * ActionRegistry: actions by name as they execute here, with the config that their connector makes.
 *
 * A connector's own way to execute an action wins over the handle that code holds: that is how a fake replaces it.
 * Configs are made at first use per workspace and account, and dropped when credentials change.
 */
import { turn } from '../base/clock.ts'
import { KeelsonError, type StoredError } from '../base/errors.ts'
import { secretsIn, withoutSecrets, type Secrets } from '../base/secrets.ts'
import { connectorOf, type AnyAction } from '../connector/action.ts'
import { actionsOf, type Connector } from '../connector/connector.ts'

export type Credentials = (use: { workspace: string; connector: string; account: string }) => Promise<unknown>

export class ActionRegistry {
  readonly #connectors = new Map<string, Connector>()
  readonly #owned = new Map<string, AnyAction>()
  readonly #seen = new Map<string, AnyAction>()
  readonly #configs = new Map<string, Promise<unknown>>()
  readonly #credentials: Credentials | undefined
  readonly #stray: ((action: AnyAction) => AnyAction) | undefined
  readonly #listeners = new Set<(name: string) => void>()
  readonly #secrets = new Map<string, Secrets>()

  /** `stray` says what executes in place of an action that only code brings. */
  constructor(
    connectors: readonly Connector[],
    actions: readonly AnyAction[],
    credentials: Credentials | undefined,
    stray?: (action: AnyAction) => AnyAction,
  ) {
    this.#credentials = credentials
    this.#stray = stray
    for (const connector of connectors) {
      if (this.#connectors.has(connector.name)) {
        throw new KeelsonError('DEFINITION_INVALID', `two connectors are named "${connector.name}"`, {
          hint: 'Define a connector once; use accounts for several identities.',
        })
      }
      this.#connectors.set(connector.name, connector)
      for (const action of actionsOf(connector)) this.#owned.set(action.name, action)
    }
    for (const action of actions) this.#seen.set(action.name, this.#seen.get(action.name) ?? action)
  }

  /** Remembers an action that code holds, so that effects of it can be finished without that code. */
  learn(action: AnyAction): void {
    if (this.#seen.has(action.name)) return
    this.#seen.set(action.name, this.#stray?.(action) ?? action)
    for (const listener of this.#listeners) listener(action.name)
  }

  /** The action as it executes here; undefined when nobody has brought it. */
  find(name: string): AnyAction | undefined {
    return this.#owned.get(name) ?? this.#seen.get(name)
  }

  /** Of the actions that it knows by now, and 'connector.*' of each of their connectors. */
  names(): string[] {
    const names = [...this.#owned.keys(), ...this.#seen.keys()]
    return [...new Set([...names, ...names.map((name) => `${connectorOf(name)}.*`)])]
  }

  onLearned(listener: (name: string) => void): void {
    this.#listeners.add(listener)
  }

  /** What the action's `run` gets as `config`. Throws `CREDENTIALS_MISSING` when the host's callback fails. */
  config(workspace: string, action: AnyAction, account: string): Promise<unknown> {
    const connector = this.#connectors.get(connectorOf(action.name))
    if (connector?.config === undefined) return Promise.resolve(undefined)
    const id = JSON.stringify([workspace, connector.name, account])
    let config = this.#configs.get(id)
    if (config === undefined) {
      config = this.#make(workspace, connector, account)
      this.#configs.set(id, config)
      config.catch(() => this.#configs.delete(id))
    }
    return config
  }

  /** An error of an action as it may be stored and logged: without what its connector was given to know as a secret. */
  redacted(workspace: string, action: AnyAction, error: StoredError): StoredError {
    const secrets = this.#secrets.get(JSON.stringify([workspace, connectorOf(action.name), action.account]))
    return secrets === undefined ? error : withoutSecrets(secrets, error)
  }

  /** Forgets what was made from a connector's credentials. */
  async credentialsChanged(name: string): Promise<void> {
    const connector = this.#connectors.get(name)
    for (const [id, config] of this.#configs) {
      if ((JSON.parse(id) as string[])[1] !== name) continue
      this.#configs.delete(id)
      const closed = config.then((made) => connector?.close?.(made)).catch(() => {})
      const made = await Promise.race([
        config.then(
          () => true,
          () => true,
        ),
        turn().then(() => false),
      ])
      if (made) await closed // one that is still being made is closed when it is: its credentials may never come
    }
  }

  async close(): Promise<void> {
    for (const name of this.#connectors.keys()) await this.credentialsChanged(name)
  }

  async #make(workspace: string, connector: Connector, account: string): Promise<unknown> {
    let credential: unknown
    try {
      credential = await this.#credentials?.({ workspace, connector: connector.name, account })
    } catch {
      throw new KeelsonError('CREDENTIALS_MISSING', `no credentials for ${connector.name} (account ${account})`, {
        hint: 'The credentials callback of createConductor failed; it is asked again at the next try.',
        data: { workspace, connector: connector.name, account },
      })
    }
    this.#secrets.set(JSON.stringify([workspace, connector.name, account]), secretsIn(credential))
    return connector.config?.({ workspace, account, credential })
  }
}
