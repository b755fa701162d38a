/** Catalog: playbooks by name and version, side by side. */
import { KeelsonError } from '../base/errors.ts'
import type { Playbook } from './context.ts'
import { playbookOf, type AnyPlaybook } from './playbook.ts'

/** Why what one holds in one's hand is not enough. */
const LATER = {
  Start: '.',
  Call: ': after a restart nothing else would bring the code of a run that was called.',
  Schedule: ': after a restart nothing else would bring the code of what the schedule starts.',
} as const

export class Catalog {
  readonly #byId = new Map<string, AnyPlaybook>()
  readonly #newest = new Map<string, AnyPlaybook>()

  constructor(playbooks: readonly Playbook<any, any>[]) {
    for (const one of playbooks) this.add(playbookOf(one))
  }

  /** Adds a definition. The same name and version twice is `DEFINITION_INVALID`, unless it is the same definition. */
  add(playbook: AnyPlaybook): void {
    const id = catalogId(playbook.name, playbook.version)
    const other = this.#byId.get(id)
    if (other === playbook) return
    if (other !== undefined) {
      throw new KeelsonError('DEFINITION_INVALID', `two playbooks are both ${id}`, {
        hint: 'Raise the version of the newer one.',
      })
    }
    this.#byId.set(id, playbook)
    const newest = this.#newest.get(playbook.name)
    if (newest === undefined || newest.version < playbook.version) this.#newest.set(playbook.name, playbook)
  }

  /** Throws `PLAYBOOK_NOT_FOUND` unless this very definition is here. */
  assertHas(playbook: AnyPlaybook, verb: keyof typeof LATER): void {
    const { name, version } = playbook
    const known = this.get(name, version)
    if (known === playbook) return
    const what = known === undefined ? 'is not registered' : 'is registered as another definition'
    throw new KeelsonError('PLAYBOOK_NOT_FOUND', `playbook ${catalogId(name, version)} ${what}`, {
      hint:
        known === undefined
          ? `Pass it in createConductor({ playbooks })${LATER[verb]}`
          : `${verb} the very object that was passed in createConductor({ playbooks }), or give this one a version of its own.`,
    })
  }

  get(name: string, version: number): AnyPlaybook | undefined {
    return this.#byId.get(catalogId(name, version))
  }

  newest(name: string): AnyPlaybook | undefined {
    return this.#newest.get(name)
  }

  /** 'name@version' of all. */
  ids(): string[] {
    return [...this.#byId.keys()]
  }

  all(): AnyPlaybook[] {
    return [...this.#byId.values()]
  }
}

export function catalogId(name: string, version: number): string {
  return `${name}@${version}`
}
