import type { ShownSpan } from '#api/schemas/telemetry.ts'

/** A span with those that it caused, or the place of one that nobody has sent. */
export interface SpanNode {
  /** Undefined = it is missing: others name it as what caused them. */
  readonly span: ShownSpan | undefined
  readonly id: string
  readonly children: readonly SpanNode[]
}

/** As deep as calls go in earnest, and more than a line has room for. What is deeper stands there side by side, by time. */
const maxDepth = 64

/**
 * The spans of a trace under what caused them, by time. A server's span may have the same ID as its client's (B3): then it is that one's child.
 * What is its own ancestor, which nobody but a liar sends, is a root.
 */
export const toSpanTree = (spans: readonly ShownSpan[]): readonly SpanNode[] => {
  const byId = Map.groupBy(spans, ({ span_id: id = '' }) => id)
  const childrenOf = new Map<string | undefined, ShownSpan[]>()
  for (const span of spans) {
    const key = toParent(span, byId)
    const siblings = childrenOf.get(key)
    if (siblings) siblings.push(span)
    else childrenOf.set(key, [span])
  }
  const placed = new Set<ShownSpan>()
  const toNode = (span: ShownSpan, depth: number): SpanNode => {
    placed.add(span)
    const key = toKey(span, byId)
    return { span, id: span.span_id ?? '', children: depth < maxDepth ? toChildren(key, depth + 1) : toAllBelow(key) }
  }
  const toChildren = (key: string | undefined, depth = 0): SpanNode[] =>
    (childrenOf.get(key) ?? [])
      .filter((span) => !placed.has(span))
      .toSorted(byTime)
      .map((span) => toNode(span, depth))
  const toAllBelow = (top: string): SpanNode[] => {
    const below: ShownSpan[] = []
    const keys = [top]
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
      const children = (childrenOf.get(key) ?? []).filter((span) => !placed.has(span))
      for (const span of children) placed.add(span)
      keys.push(...children.map((span) => toKey(span, byId)))
      below.push(...children)
    }
    return below.toSorted(byTime).map((span) => ({ span, id: span.span_id ?? '', children: [] }))
  }
  const roots = toChildren(undefined)
  const known = new Set(spans.map((span) => toKey(span, byId)))
  const missing = [...childrenOf.keys()]
    .filter((key) => key !== undefined && !known.has(key))
    .map((key): SpanNode => ({ span: undefined, id: key?.split(' ')[0] ?? '', children: toChildren(key) }))
  const rest = spans.filter((span) => !placed.has(span)).map((span) => (placed.has(span) ? [] : [toNode(span, 0)]))
  return [...roots, ...missing, ...rest.flat()].toSorted((one, other) => compare(toStart(one), toStart(other)))
}

type ById = ReadonlyMap<string, readonly ShownSpan[]>

/** What tells spans apart that share an ID. */
const toKey = (span: ShownSpan, byId: ById): string => {
  const { span_id: id = '', kind } = span
  const isShared = (byId.get(id) ?? []).length > 1
  return isShared ? `${id} ${kind === 'server' ? 'server' : 'client'}` : id
}

/** The key of what caused a span. */
const toParent = (span: ShownSpan, byId: ById): string | undefined => {
  const { span_id: id = '', parent_span_id: parent = '', kind } = span
  const client =
    kind === 'server' ? byId.get(id)?.find((other) => other !== span && other.kind !== 'server') : undefined
  if (client) return toKey(client, byId)
  if (parent === '' || parent === id) return undefined
  const candidates = byId.get(parent) ?? []
  const cause = candidates.find((other) => other.kind === 'server') ?? candidates[0]
  return cause ? toKey(cause, byId) : parent
}

const compare = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)
const byTime = (one: ShownSpan, other: ShownSpan): number => compare(one.time, other.time)
const toStart = ({ span, children }: SpanNode): string => span?.time ?? (children[0] ? toStart(children[0]) : '')
