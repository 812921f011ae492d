/**
 * What a proxy tells of a request's place in its trace, as Envoy's operators give it (`xds/build/build-tracing.ts`): "" and "-" are nothing.
 */
export interface TraceTexts {
  /** `%TRACE_ID%`. */
  readonly traceId: string
  /** The `traceparent` header when the request had ended: what was sent on, or what came where nothing was. */
  readonly sent: string
  /** The headers of a trace as they came: W3C's, B3's in one header and in several. */
  readonly received: string
}

/** Where a request is in its trace. */
export interface TraceContext {
  readonly traceId: string
  /** Of the proxy's own span. Absent: the request was answered before it was sent on, so that nobody was told one. */
  readonly spanId?: string
  /** Of the span that called; absent: the trace begins here. */
  readonly parentSpanId?: string
  /** Whether the trace is one of those that were chosen to be kept when it began; absent: nobody was told. */
  readonly isSampled?: boolean
}

/**
 * Undefined: the request has no trace that is W3C's (Trace Context, §3.2) or B3's. A trace of B3 with 64 bits has zeros before it, as in W3C's header. What came is believed of
 * the trace that the proxy has gone on with, whichever header that was.
 */
export const parseTraceContext = ({ traceId, sent, received }: TraceTexts): TraceContext | undefined => {
  const [own] = readSpans(sent)
  // Datadog's tracer does not say what it has sent on. Without a tracer nothing was received: what is there is not the proxy's.
  const trace = toTraceId(traceId) ?? (isNothing(received) ? undefined : own?.traceId)
  if (trace === undefined) return undefined
  const called = readSpans(received).find((each) => each.traceId === trace)
  const isOwn = own?.traceId === trace && own.spanId !== called?.spanId
  const isSampled = isOwn ? own.isSampled : called?.isSampled
  return {
    traceId: trace,
    ...(isOwn && { spanId: own.spanId }),
    ...(called && { parentSpanId: called.spanId }),
    ...(isSampled !== undefined && { isSampled }),
  }
}

const isNothing = (text: string): boolean => text === '' || text === '-'

const toTraceId = (text: string): string | undefined =>
  /^(?:[0-9a-f]{16}){1,2}$/i.test(text) ? text.toLowerCase().padStart(32, '0') : undefined

/** "<trace>-<span>" wherever it is, with what W3C ("-01") or B3 ("-1", "-d") says of sampling after it. */
const readSpans = (text: string) =>
  [...text.matchAll(/(?<![0-9a-f])((?:[0-9a-f]{16}){1,2})-([0-9a-f]{16})(?:-([0-9a-f]{2}|[01d])(?![0-9a-f]))?/gi)].map(
    ([, trace = '', span = '', flags]) => ({
      traceId: toTraceId(trace),
      spanId: span.toLowerCase(),
      isSampled: flags === undefined ? undefined : flags === 'd' || Number.parseInt(flags, 16) % 2 === 1,
    }),
  )
