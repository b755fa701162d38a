/**
 * Statement: SQL that Kysely compiles once for a dialect, and work that is told as a sequence of statements.
 *
 * Work is a generator: it yields what it wants to ask and is handed the rows. Whoever drives it owns the connection, so
 * the same work runs synchronously on prepared statements (SQLite) and asynchronously over a socket (Postgres).
 */
import type { Compilable } from 'kysely'

export type Value = string | number | Uint8Array | null

/** What a statement is given, by name. */
export type Arguments = Record<string, Value>

export interface Statement<Args, Row> {
  readonly sql: string
  readonly bind: (args: Args) => Value[]
  /** Only for inference. */
  readonly row?: Row
}

export interface Call {
  readonly sql: string
  readonly values: Value[]
  /** `rows`: all of them; `changes`: how many rows were written. */
  readonly wants: 'rows' | 'changes'
}

/** Work that asks the database and ends in `T`. */
export type Work<T> = Generator<Call, T, unknown>

/** Compiles `build`; each member of its parameter stands for the argument of that name. */
export function statement<Args extends Arguments, Row>(build: (args: Args) => Compilable<Row>): Statement<Args, Row> {
  const named = new Proxy({}, { get: (_, name) => new Slot(String(name)) })
  const { sql, parameters } = build(named as Args).compile()
  const names = parameters.map((slot) => (slot instanceof Slot ? slot.name : undefined))
  return {
    sql,
    bind(args) {
      const values: Value[] = []
      for (let at = 0; at < names.length; at++) {
        const name = names[at]
        values.push(name === undefined ? (parameters[at] as Value) : args[name]!)
      }
      return values
    },
  }
}

class Slot {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

export function* all<Args, Row>(asked: Statement<Args, Row>, args: Args): Work<Row[]> {
  return (yield { sql: asked.sql, values: asked.bind(args), wants: 'rows' }) as Row[]
}

export function* first<Args, Row>(asked: Statement<Args, Row>, args: Args): Work<Row | undefined> {
  const rows = (yield { sql: asked.sql, values: asked.bind(args), wants: 'rows' }) as Row[]
  return rows[0]
}

/** Answers how many rows were written. */
export function* run<Args>(asked: Statement<Args, unknown>, args: Args): Work<number> {
  return (yield { sql: asked.sql, values: asked.bind(args), wants: 'changes' }) as number
}

/** Rows of a statement whose parameters are a list: bound in the order in which they stand. */
export function* allOf<Row>(asked: Pick<Statement<never, Row>, 'sql' | 'row'>, values: Value[]): Work<Row[]> {
  return (yield { sql: asked.sql, values, wants: 'rows' }) as Row[]
}

/** The same of one that writes. */
export function* runOf(asked: { readonly sql: string }, values: Value[]): Work<number> {
  return (yield { sql: asked.sql, values, wants: 'changes' }) as number
}
