/**
 * Option: what a host gives `connect`, for one workspace or for many, and how actions get at what was made of it.
 *
 * O1. A plain value serves the workspace `default` only: one folder or calendar never shows up in two companies.
 * O2. What is missing or wrong is said when an action is tried, as a failure of that action, never at start-up.
 */
import { ActionError, type ConnectorUse } from '@keelson/core'

/** A value for the workspace `default`, or a function that has one for each workspace and account. */
export type PerWorkspace<T> = T | ((use: ConnectorUse) => T)

/** What `open` hands to core as an action's config. */
export interface Opened<T> {
  value(): T
}

/** Makes `make`'s value at first use and keeps it; a failure is not kept. */
export function opened<T>(make: () => T): Opened<T> {
  let made: { readonly value: T } | undefined
  return { value: () => (made ??= { value: make() }).value }
}

/** The value behind an action's config. Throws `final` with `how` for a connector that was never connected. */
export function valueOf<T>(config: unknown, how: string): T {
  if (typeof config === 'object' && config !== null && 'value' in config) {
    try {
      return (config as Opened<T>).value()
    } catch (error) {
      if (ActionError.is(error)) throw error
      // Nothing was done yet. What was thrown may quote a credential, so it is not repeated here.
      throw new ActionError({ class: 'retry' }, `a function given to ${how.split('(')[0]}() threw`)
    }
  }
  throw new ActionError({ class: 'final' }, `not connected: pass ${how} to createConductor`)
}

/** The option for one use. Throws `final` where a plain value would be shared between workspaces, or where none is. */
export function forUse<T>(option: PerWorkspace<T> | undefined, use: ConnectorUse, what: string): T {
  if (option === undefined) throw new ActionError({ class: 'final' }, `no ${what} was given to connect()`)
  if (typeof option === 'function') return (option as (use: ConnectorUse) => T)(use)
  if (use.workspace === 'default') return option
  throw new ActionError(
    { class: 'final' },
    `${what} is one value, which serves the workspace "default" only; give connect() a function of { workspace }`,
  )
}
