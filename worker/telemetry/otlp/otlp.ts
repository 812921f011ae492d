/** A value of an attribute. What is neither text nor a number of JavaScript is here as JSON of OTLP, or as digits. */
export type AttributeValue = string | number
export type Attribute = readonly [key: string, value: AttributeValue]

/** What one resource sends, however it was encoded. */
export interface FromResource<Item> {
  readonly attributes: readonly Attribute[]
  readonly items: readonly Item[]
}

/** opentelemetry/proto/logs/v1: LogRecord. Times are microseconds since 1970, 0 = not known; IDs are hexadecimal. */
export interface OtlpLogRecord {
  time: number
  observedTime: number
  severity: string
  body: AttributeValue
  traceId: string
  spanId: string
  attributes: Attribute[]
}

/** opentelemetry/proto/trace/v1: Span. */
export interface OtlpSpan {
  traceId: string
  spanId: string
  parentSpanId: string
  name: string
  kind: number
  start: number
  end: number
  statusCode: number
  statusMessage: string
  attributes: Attribute[]
  /** As JSON of OTLP; empty: there are none. */
  events: string
}

export const newLogRecord = (): OtlpLogRecord => ({
  time: 0,
  observedTime: 0,
  severity: '',
  body: '',
  traceId: '',
  spanId: '',
  attributes: [],
})

export const newSpan = (): OtlpSpan => ({
  traceId: '',
  spanId: '',
  parentSpanId: '',
  name: '',
  kind: 0,
  start: 0,
  end: 0,
  statusCode: 0,
  statusMessage: '',
  attributes: [],
  events: '',
})
