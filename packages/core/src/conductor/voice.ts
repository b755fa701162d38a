/**
 * Voice: what code says through `ctx.log`, said once: where the code has not been before.
 *
 * Whether it has, shows only behind the line: it was there before if it gets what is recorded, and is there for the first time if it
 * comes to what is not. Until then the line is kept back.
 */
export class Voice {
  #kept: (() => void)[] = []

  say(speak: () => void, isLive: boolean): void {
    if (isLive) speak()
    else this.#kept.push(speak)
  }

  /** The code gets what is recorded: what it said on the way was said then. */
  known(): void {
    this.#kept = []
  }

  /** The code has come further than before. */
  release(): void {
    const kept = this.#kept
    this.#kept = []
    for (const speak of kept) speak()
  }
}
