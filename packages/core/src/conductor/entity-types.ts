/** EntityTypes: the entity types that a process knows, by name: those that it was given, and those that it has used. */
import { KeelsonError } from '../base/errors.ts'
import { bareType, entityTypeOf, type AnyEntityType, type EntityType } from '../memory/entity.ts'

export class EntityTypes {
  readonly #known = new Map<string, AnyEntityType>()
  /** Those that it was given, by name: the same whatever it does. */
  readonly declared: readonly AnyEntityType[]

  /** Throws `DEFINITION_INVALID` for two types of one name and version: what the records of it are could be either. */
  constructor(types: readonly EntityType<any>[] = []) {
    this.declared = types.map((type) => entityTypeOf(type)).sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const type of this.declared) {
      const other = this.#known.get(type.name)
      if (other !== undefined && other !== type && other.version === type.version)
        throw new KeelsonError('DEFINITION_INVALID', `two entity types are both ${type.name}@${type.version}`, {
          hint: 'Give one of them another name; a newer one of the same records, a higher version.',
        })
      this.learn(type)
    }
  }

  /** The newest version of a type is the one that counts. */
  learn(type: AnyEntityType): void {
    const known = this.#known.get(type.name)
    if (known === undefined || known.version <= type.version) this.#known.set(type.name, type)
  }

  knows(name: string): boolean {
    return this.#known.has(name)
  }

  names(): string[] {
    return [...this.#known.keys()]
  }

  /** The type, or one that stands for it where this process does not know it: data as they were stored, of any schema. */
  named(name: string, schema: number): AnyEntityType {
    return this.#known.get(name) ?? bareType(name, schema)
  }
}
