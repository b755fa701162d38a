/** Limiting: the part of createConductor's options that bounds what runs may do beyond policy. */
import { NO_PRICES, pricesOf, type Prices } from './agent/price.ts'
import { KeelsonError } from './base/errors.ts'
import { nearest } from './base/nearest.ts'
import type { Environment } from './conductor/environment.ts'
import { Catalog } from './playbook/catalog.ts'
import type { Playbook } from './playbook/context.ts'
import type { Budget } from './policy/budget.ts'
import { isZone } from './policy/hours.ts'
import type { Persona } from './policy/persona.ts'
import type { Settings } from './policy/settings.ts'

export interface LimitingOptions {
  readonly playbooks: readonly Playbook<any, any>[]
  readonly personas?: readonly Persona[]
  readonly budgets?: readonly Budget[]
  readonly prices?: Prices
  readonly zone?: string | ((settings: Settings) => string | undefined)
}

/** What bounds what runs may do beyond policy. */
export function limiting(
  options: LimitingOptions,
): Pick<Environment, 'personas' | 'budgets' | 'budgetOf' | 'zone' | 'assertZone' | 'prices'> {
  const { budgets = [], zone = 'UTC', prices = NO_PRICES } = options
  const twice = budgets.find((one, i) => budgets.findIndex((other) => other.name === one.name) !== i)
  if (twice !== undefined) throw new KeelsonError('DEFINITION_INVALID', `two budgets are named "${twice.name}"`)
  if (typeof zone === 'string' && !isZone(zone))
    throw new KeelsonError('DEFINITION_INVALID', `"${String(zone)}" is not a zone`, {
      hint: "Use an IANA name: 'Europe/Berlin'.",
    })
  const playbooks = new Catalog(options.playbooks)
  const known = [...playbooks.all().flatMap(({ persona }) => persona ?? []), ...(options.personas ?? [])]
  return {
    personas: new Map(known.map((one) => [one.name, one])),
    budgets,
    budgetOf: (id) => {
      const at = id.lastIndexOf('@')
      return playbooks.get(id.slice(0, at), Number(id.slice(at + 1)))?.budget
    },
    zone: typeof zone === 'string' ? () => zone : (settings) => zoneFrom(zone, settings),
    assertZone: (settings) => (typeof zone === 'string' ? undefined : assertZone(zone, settings)),
    prices: pricesOf(prices),
  }
}

/**
 * Tells of a name that is a slip away from one that is here: such a budget limits nothing, and such a persona may not. Any other
 * name may be that of an action which code brings later, or another process.
 */
export function tellMisnamed({ actions, budgets, personas, log }: Environment): void {
  const here = [...actions.names(), 'agent.*']
  const told = (what: string, names: readonly string[]): void => {
    for (const name of names) {
      const meant = here.includes(name) || name.startsWith('agent.') ? undefined : nearest(name, here)
      if (meant === undefined) continue
      log.warn({ hint: `Did you mean "${meant}"?` }, `${what} names "${name}", and nothing here is called so`)
    }
  }
  for (const { name, on } of budgets) told(`budget ${name}`, on)
  for (const { name, may, rates = [] } of personas.values())
    told(`persona ${name}`, [...may, ...rates.flatMap(({ on }) => on)])
}

function assertZone(zone: (settings: Settings) => string | undefined, settings: Settings): void {
  let named: unknown
  try {
    named = zone(settings)
  } catch (cause) {
    throw new KeelsonError('SETTINGS_INVALID', `zone() threw for these settings: ${String(cause)}`, { cause })
  }
  if (named === undefined || isZone(named)) return
  throw new KeelsonError('SETTINGS_INVALID', `${JSON.stringify(named)} is not a zone`, {
    hint: "Use an IANA name: 'Europe/Berlin'.",
  })
}

/** A company that names no zone is counted in UTC; `configure` refuses one that is none. */
function zoneFrom(zone: (settings: Settings) => string | undefined, settings: Settings): string {
  try {
    const named: unknown = zone(settings)
    return isZone(named) ? named : 'UTC'
  } catch {
    return 'UTC'
  }
}
