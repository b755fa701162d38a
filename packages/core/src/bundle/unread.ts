/** Unread: what a bundle brings in shapes from which no upcasters lead to those of this host. */
import { unreachable, type Versioned } from '../base/upcast.ts'
import type { Environment } from '../conductor/environment.ts'
import { assertNone, Gathered } from '../conductor/gaps.ts'
import type { MailData } from '../conductor/mail.ts'
import type { Put } from '../journal/put.ts'
import type { EntityChange } from '../memory/change.ts'
import { partsOf } from '../memory/entity.ts'
import { eventShape } from '../playbook/event.ts'

export class Unread {
  readonly #entities: ReadonlyMap<string, Shape>
  readonly #events: ReadonlyMap<string, Shape>
  readonly #found: Gathered

  constructor({ entities, events }: Pick<Environment, 'entities' | 'events'>, workspace: string) {
    this.#entities = shapesOf(
      entities.declared.map(({ name, version }): [string, Versioned] => [name, entities.named(name, version)]),
    )
    this.#events = shapesOf(events.map((type): [string, Versioned] => [type.name, eventShape(type)]))
    this.#found = new Gathered(workspace)
  }

  get any(): boolean {
    return this.#found.any
  }

  /** Of a record's history the first line tells: shapes only go forward. */
  take({ kind, id, data }: Put): void {
    if (data === null) return
    if (kind === 'event') {
      const { event, id: own, schema } = data as unknown as MailData['event']
      this.#look(this.#events.get(event), schema, own)
    }
    if (kind !== 'timeline' || (data as unknown as EntityChange).version !== 1) return
    const of = partsOf(id.slice(0, id.lastIndexOf('/')))!
    this.#look(this.#entities.get(of.type), (data as unknown as EntityChange).schema, of.id)
  }

  /** Throws `UPCASTER_MISSING`. */
  assertNone(): void {
    assertNone(this.#found.gaps())
  }

  #look(shape: Shape | undefined, schema = 1, id = ''): void {
    if (shape?.gaps.has(schema) === true) this.#found.add(shape.of, schema, id)
  }
}

interface Shape {
  readonly of: Versioned
  readonly gaps: ReadonlySet<number>
}

function shapesOf(types: readonly (readonly [string, Versioned])[]): Map<string, Shape> {
  return new Map(types.map(([name, of]) => [name, { of, gaps: new Set(unreachable(of)) }]))
}
