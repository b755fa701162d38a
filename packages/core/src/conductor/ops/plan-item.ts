/** PlanItem: what a plan puts to a person: its lines, each with what policy says of it. */
import type { Json } from '../../base/value.ts'
import type { Risk } from '../../connector/action.ts'
import type { Shape } from '../../connector/shape.ts'
import type { Judgement } from '../../policy/verdict.ts'
import type { ItemRecord, PlanLine } from '../item.ts'

/** A line as it is judged, by the rules of when the plan was made or by others that came since. */
export interface Judged extends PlanLine {
  readonly verdict: Judgement
  readonly fresh?: Json
  /** Its segment, where it stands on the rung 'shadow' there. */
  readonly rung?: string
  /** How its action was defined then; undefined in plans from before that was kept. */
  readonly agreed?: Shape
}

/** What a verdict shows on its line. */
export function obligedBy({ denies, holdMs }: Judgement): Pick<PlanLine, 'denied' | 'holdMs'> {
  const denied = denies.map((one) => `${one.rule}: ${one.reason}`).join('; ')
  return { ...(denied === '' ? {} : { denied }), ...(holdMs > 0 ? { holdMs } : {}) }
}

type PlanText = Pick<ItemRecord, 'kind' | 'title' | 'allows' | 'preview' | 'editSchema' | 'lines' | 'risk'>

/** What the item says of the lines as they stand. */
export function planText(title: string, lines: readonly Judged[]): PlanText {
  const shown = lines.map(
    ({ verdict: _verdict, fresh: _fresh, agreed: _agreed, rung: _rung, ...line }): PlanLine => line,
  )
  const possible = shown.filter((line) => line.denied === undefined)
  const risks: readonly Risk[] = ['low', 'medium', 'high']
  return {
    kind: 'plan',
    title,
    allows: [...(possible.length > 0 ? (['approve', 'edit'] as const) : []), 'reject', 'respond', 'snooze'],
    preview: { kind: 'fields', rows: shown.map(rowOf) },
    editSchema: editSchemaOf(possible),
    lines: shown,
    risk: risks[Math.max(...shown.map((line) => risks.indexOf(line.risk)))]!,
  }
}

function rowOf(line: PlanLine): { label: string; after: string } {
  const { preview, denied, simulated, asked } = line
  const said =
    preview.kind === 'text' ? preview.after : preview.rows.map((row) => `${row.label}: ${row.after}`).join(', ')
  const not =
    denied === undefined
      ? ((simulated && `will be simulated (${simulated})`) ?? (asked && `now asked about (${asked})`))
      : `will not execute (${denied})`
  return {
    label: `${line.id}. ${line.title}`,
    after: not === undefined ? said : `${not}: ${said}`,
  }
}

function editSchemaOf(lines: readonly PlanLine[]): Json {
  return {
    type: 'object',
    properties: {
      skip: { type: 'array', items: { type: 'string', enum: lines.map((line) => line.id) } },
      inputs: {
        type: 'object',
        properties: Object.fromEntries(lines.map((line) => [line.id, withoutSchema(line.editSchema)])),
        additionalProperties: false,
      },
    },
    additionalProperties: false,
  }
}

/** A schema within a schema names no dialect of its own. */
function withoutSchema(schema: Json): Json {
  const { $schema: _dialect, ...rest } = schema as { [key: string]: Json }
  return rest
}
