/**
 * Connector: an adapter to one outside system: its actions, and how options and credentials become a client.
 *
 * Credentials are resolved at the moment of use, for one workspace and account, and are never stored.
 */
import { KeelsonError } from '../base/errors.ts'
import { assertCallable, assertKnown, named, noSuch } from '../base/known.ts'
import { definitionOf, handle, isAction, type Action, type AnyAction } from './action.ts'

/** A configured connector, as createConductor takes it. */
export interface Connector {
  readonly name: string
  readonly actions: readonly Action<any, any>[]
  /** What the actions get as `config`. Called once per workspace and account until credentials change. */
  config?(use: ConnectorUse): unknown
  /** Frees what `config` made. */
  close?(config: unknown): Promise<void> | void
}

export interface ConnectorUse {
  readonly workspace: string
  readonly account: string
  /** What the host's `credentials` gave, undefined where it has none. */
  readonly credential: unknown
}

/** A connector's definition: its actions by verb, and `connect`. */
export type ConnectorDefinition<A extends Record<string, Action<any, any>>, Options> = {
  readonly name: string
  connect(options?: Options): Connector
} & A

/**
 * Defines a connector. Its actions are named 'connector.verb' and are reached as `connector.verb`.
 *
 * `open` turns options and a credential into what the actions get as `config` (a client, a path).
 */
export function defineConnector<
  A extends Record<string, Action<any, any>>,
  Options = Record<never, never>,
>(definition: {
  readonly name: string
  readonly actions: A
  readonly open?: (options: Options | undefined, use: ConnectorUse) => unknown
  readonly close?: (config: unknown) => Promise<void> | void
}): ConnectorDefinition<A, Options> {
  assertKnown(`connector ${named(definition?.name)}`, definition, ['name', 'actions', 'open', 'close'])
  const { name, actions, open, close } = definition
  if (typeof name !== 'string' || typeof actions !== 'object' || actions === null)
    throw new KeelsonError('DEFINITION_INVALID', `connector ${named(name)} has no name or no actions`, {
      hint: "defineConnector({ name: 'bank', actions: { pay } })",
    })
  assertCallable(`connector "${name}"`, definition, ['open', 'close'])
  for (const made of Object.values(actions)) {
    definitionOf(made)
    if (!made.name.startsWith(`${name}.`)) {
      throw new KeelsonError('DEFINITION_INVALID', `action "${made.name}" is not of connector "${name}"`, {
        hint: `Name it "${name}.…".`,
      })
    }
  }
  const connect = (options?: Options): Connector => ({
    name,
    actions: Object.values(actions),
    ...(open === undefined ? {} : { config: (use: ConnectorUse) => open(options, use) }),
    ...(close === undefined ? {} : { close }),
  })
  return { ...actions, name, connect }
}

/** The actions of a connector by name, as core executes them. */
export function actionsOf(connector: Connector): AnyAction[] {
  if (typeof connector !== 'object' || connector === null)
    throw noSuch('DEFINITION_INVALID', connector, 'a connector', 'connect() of defineConnector()')
  const { name, actions }: Partial<Connector> = connector
  if (isAction(connector)) {
    throw new KeelsonError('DEFINITION_INVALID', `"${name}" is an action, and not a connector`, {
      hint: 'Pass it in actions; or in a test, fake(it) in connectors.',
    })
  }
  if (actions === undefined) {
    throw new KeelsonError('DEFINITION_INVALID', `connector "${name}" is a definition, and not connected`, {
      hint: `Pass ${name}.connect() in connectors.`,
    })
  }
  return actions.map((made) => definitionOf(made))
}

/** `connector` with other ways to execute its actions: what fakes are made of. */
export function withActions(connector: { readonly name: string }, worn: readonly AnyAction[]): Connector {
  return { name: connector.name, actions: worn.map((made) => handle(made)) }
}
