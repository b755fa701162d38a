/** EntityTypes: the entity types that a process knows, by name: those that it was given, and those that it has used. */
import { bareType, entityTypeOf, type AnyEntityType, type EntityType } from '../memory/entity.ts'

export class EntityTypes {
  readonly #known = new Map<string, AnyEntityType>()
  /** Those that it was given, by name: the same whatever it does. */
  readonly declared: readonly AnyEntityType[]

  constructor(types: readonly EntityType<any>[] = []) {
    this.declared = types.map((type) => entityTypeOf(type)).sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const type of this.declared) this.learn(type)
  }

  /** The newest version of a type is the one that counts. */
  learn(type: AnyEntityType): void {
    const known = this.#known.get(type.name)
    if (known === undefined || known.version <= type.version) this.#known.set(type.name, type)
  }

  knows(name: string): boolean {
    return this.#known.has(name)
  }

  /** The type, or one that stands for it where this process does not know it: data as they were stored, of any schema. */
  named(name: string, schema: number): AnyEntityType {
    return this.#known.get(name) ?? bareType(name, schema)
  }
}
