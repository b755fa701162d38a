/**
 * Roster: what is at work now, by name: a Map whose old entries do not outlive their removal.
 *
 * A Map that grows leaves its table behind with all that was in it, linked to the next one. Once one of them has reached V8's old
 * generation, every later one is kept until the next full collection, and with it whatever stood in it: of a hundred runs at work,
 * nearly all. So what is removed here is let go of, too. See young.ts.
 */
class Box<T> {
  value: T | undefined

  constructor(value: T) {
    this.value = value
  }
}

export class Roster<T> {
  readonly #boxes = new Map<string, Box<T>>()

  get size(): number {
    return this.#boxes.size
  }

  get(name: string): T | undefined {
    return this.#boxes.get(name)?.value
  }

  has(name: string): boolean {
    return this.#boxes.has(name)
  }

  set(name: string, value: T): void {
    const box = this.#boxes.get(name)
    if (box === undefined) this.#boxes.set(name, new Box(value))
    else box.value = value
  }

  delete(name: string): void {
    const box = this.#boxes.get(name)
    if (box === undefined) return
    box.value = undefined
    this.#boxes.delete(name)
  }

  clear(): void {
    for (const name of this.#boxes.keys()) this.delete(name)
  }

  *values(): Generator<T> {
    for (const { value } of this.#boxes.values()) if (value !== undefined) yield value
  }
}
