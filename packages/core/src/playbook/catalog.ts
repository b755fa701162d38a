/** Catalog: playbooks by name and version, side by side. */
import { KeelsonError } from '../base/errors.ts'
import type { Playbook } from './context.ts'
import { playbookOf, type AnyPlaybook } from './playbook.ts'

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
