import type { ShownSpan } from '#api/schemas/telemetry.ts'
import type { Paint } from '../output/colour.ts'
import { toSafeWord } from '../output/safe-text.ts'
import { toShort } from '../output/to-short.ts'
import { toTable } from '../output/table.ts'
import { toDurationText } from './log-line.ts'
import { toSpanTree, type SpanNode } from './span-tree.ts'

/** Characters that the whole trace takes. */
const barWidth = 40

interface Scale {
  readonly startUs: number
  readonly lengthUs: number
}

/** The spans of a trace, a line each: under what caused them, where, how long, and when. */
export const toWaterfall = (spans: readonly ShownSpan[], paint: Paint): string => {
  const starts = spans.map(toStartUs)
  const startUs = Math.min(...starts)
  const endUs = Math.max(...spans.map((span, index) => (starts[index] ?? 0) + (span.duration_us ?? 0)))
  const scale = { startUs, lengthUs: Math.max(endUs - startUs, 1) }
  const table = toTable(
    ['SPAN', 'KIND', 'WHERE', 'STATUS', 'START', 'TOOK', toDurationText(Math.round(scale.lengthUs))],
    toRows(toSpanTree(spans), '', scale, paint),
  )
  const skew = findSkew(toSpanTree(spans))
  return skew === 0
    ? table
    : `${table}\nClocks differ: some spans begin up to ${toDurationText(skew)} before what caused them.`
}

const toRows = (
  nodes: readonly SpanNode[],
  indent: string,
  scale: Scale,
  paint: Paint,
): readonly (readonly string[])[] =>
  nodes.flatMap(({ span, id, children }) => [
    span
      ? toRow(span, indent, scale, paint)
      : [paint('yellow', `${indent}? ${toSafeWord(id)}`), '', paint('yellow', 'missing: nobody has sent this span')],
    ...toRows(children, `${indent}  `, scale, paint),
  ])

const maxName = 48

const toRow = (span: ShownSpan, indent: string, scale: Scale, paint: Paint): readonly string[] => {
  const { name = '', kind = '', status, duration_us: duration = 0 } = span
  const isFailed = status === 'error'
  const start = toStartUs(span) - scale.startUs
  const code = span.attributes?.['http.response.status_code']
  const state = isFailed
    ? paint('red', typeof code === 'number' ? `error ${code}` : 'error')
    : typeof code === 'number'
      ? String(code)
      : ''
  return [
    indent + toSafeWord(toShort(name, maxName)),
    toSafeWord(kind),
    toSafeWord(toWhere(span)),
    state,
    `+${toDurationText(start)}`,
    toDurationText(duration),
    toBar(start, duration, scale, (bar) => paint(isFailed ? 'red' : 'green', bar)),
  ]
}

const toWhere = ({ cluster, namespace, workload, service }: ShownSpan): string =>
  [cluster, namespace, workload ?? service].filter(Boolean).join('/') || '-'

const toBar = (startUs: number, durationUs: number, { lengthUs }: Scale, colour: (bar: string) => string): string => {
  const before = Math.min(Math.round((startUs / lengthUs) * barWidth), barWidth - 1)
  const length = Math.max(1, Math.min(Math.round((durationUs / lengthUs) * barWidth), barWidth - before))
  return `${' '.repeat(before)}${colour('█'.repeat(length))}`
}

/** Microseconds since 1970; a time has more digits than Date reads. */
const toStartUs = ({ time }: ShownSpan): number => {
  const [, micros = '0'] = /\.\d{3}(\d{3})/.exec(time) ?? []
  return (Date.parse(time) || 0) * 1000 + Number(micros)
}

/** The most, in microseconds, that a span begins before what caused it. */
const findSkew = (nodes: readonly SpanNode[]): number =>
  Math.max(
    0,
    ...nodes.flatMap(({ span, children }) => [
      findSkew(children),
      ...children.map((child) => (span && child.span ? toStartUs(span) - toStartUs(child.span) : 0)),
    ]),
  )
