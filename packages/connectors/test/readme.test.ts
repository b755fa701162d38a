/** The README names what each action takes and answers as the schemas have it. */
import { readFileSync } from 'node:fs'
import { definitionOf } from '@keelson/core/ports'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { billing } from '../src/billing/index.ts'
import { calendar } from '../src/calendar/index.ts'
import { email } from '../src/email/index.ts'
import { files } from '../src/files/index.ts'

const page = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
const rows = new Map(
  [...page.matchAll(/^\| `([\w.]+)` \| (.*?) \| (.*?) \|$/gm)].map(([, name, takes, answers]) => [
    name!,
    { takes: fieldsIn(takes!), answers: fieldsIn(answers!) },
  ]),
)

const actions = [
  ...[files.read, files.list, files.write, files.move, files.remove, email.send],
  ...[calendar.findTime, calendar.book, billing.invoice, billing.charge],
].map((one) => definitionOf(one))

/** The names in backticks, those with a question mark may be left out. */
function fieldsIn(cell: string): string[] {
  return [...cell.matchAll(/`(\w+\??)`/g)].map(([, name]) => name!).sort()
}

interface Shape {
  readonly properties?: object
  readonly required?: readonly string[]
  readonly anyOf?: readonly Shape[]
}

/** Of a union: a name that only some have may be left out. */
function fieldsOf(shape: Shape): string[] {
  if (shape.anyOf === undefined)
    return Object.keys(shape.properties ?? {}).map((name) => (shape.required?.includes(name) ? name : `${name}?`))
  const parts = shape.anyOf.filter(({ properties }) => properties !== undefined).map(fieldsOf)
  const names = new Set(parts.flat().map((name) => name.replace('?', '')))
  return [...names].map((name) => (parts.every((part) => part.includes(name)) ? name : `${name}?`))
}

const shapeOf = (schema: unknown, io: 'input' | 'output'): string[] =>
  fieldsOf(z.toJSONSchema(schema as z.ZodType, { io, unrepresentable: 'any' })).sort()

describe('the table of the README', () => {
  it('has a row for each action', () => {
    expect([...rows.keys()].sort()).toEqual(actions.map(({ name }) => name).sort())
  })

  it.each(actions.map((one) => [one.name, one] as const))('says what %s takes and answers', (name, one) => {
    expect(rows.get(name)?.takes).toEqual(shapeOf(one.input, 'input'))
    expect(rows.get(name)?.answers).toEqual(shapeOf(one.output, 'output'))
  })
})

it('the README says for how long a mail that is not found may only be late', () => {
  expect(definitionOf(email.send).settleWindowMs).toBe(90_000)
  expect(page).toMatch(/found nothing for 90 seconds/)
})
