import { z } from 'zod'
import { clusterName } from '#mesh/names.ts'
import { accessLogFields, spanFields } from '#mesh/telemetry/record-fields.ts'
import type { FieldDefinition, FieldType } from '#mesh/telemetry/record-fields.ts'
import { meshParams, pageQuery } from './common.ts'

const toFieldSchema = ({ type, about }: FieldDefinition) => {
  switch (type) {
    case 'timestamp':
      return z.string().describe(`${about} RFC 3339, to the microsecond.`)
    case 'integer':
      return z.number().optional().describe(about)
    case 'text':
      return z.string().optional().describe(about)
    case 'map':
      return z.record(z.string(), z.unknown()).optional().describe(about)
  }
}

type FieldSchema<Type extends FieldType> = Type extends 'timestamp'
  ? z.ZodString
  : z.ZodOptional<
      Type extends 'integer' ? z.ZodNumber : Type extends 'text' ? z.ZodString : z.ZodRecord<z.ZodString, z.ZodUnknown>
    >

const toRecordSchema = <Fields extends Readonly<Record<string, FieldDefinition>>>(fields: Fields) =>
  z.object(
    Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, toFieldSchema(field)])) as {
      -readonly [Name in keyof Fields]: FieldSchema<Fields[Name]['type']>
    },
  )

/** An access log record as it is shown: `mesh/telemetry/record-fields.ts`. Absent: not known, or it means nothing here. */
export const accessLog = toRecordSchema(accessLogFields).meta({ id: 'AccessLog' })
export type AccessLog = z.infer<typeof accessLog>

export const shownSpan = toRecordSchema(spanFields)
  .extend({ of: z.string().describe('`span`: somebody sent it. `record`: it is made of an access log record.') })
  .meta({ id: 'Span' })
export type ShownSpan = z.infer<typeof shownSpan>

/** The clusters whose records are missing in an answer, and why. */
export const unavailable = z
  .array(z.object({ cluster: clusterName, reason: z.string() }))
  .describe('Clusters that did not answer: what they have is missing here.')
export type Unavailable = z.infer<typeof unavailable>

const word = z.string().min(1).max(512)
const milliseconds = z.coerce.number<number>().min(0).max(1e12)
const moment = z.iso.datetime({ offset: true })

const period = z.object({
  from: moment.optional().describe('Not before; absent: as far back as there is something.'),
  to: moment.optional().describe('Not after; absent: now.'),
})

const logFilters = z.object({
  cluster: clusterName.optional().describe('Only what proxies of this cluster tell.'),
  service: word
    .optional()
    .describe(
      'A service on either side: `reviews`, `reviews.shop`, or its host name. A canonical service goes by the first two.',
    ),
  source: word.optional().describe('The canonical service, as above, or the workload that calls.'),
  destination: word.optional().describe('The service, as above, or the workload that is called.'),
  workload: word.optional().describe('A workload on either side.'),
  namespace: word.optional().describe('A namespace on either side.'),
  reporter: z.enum(['source', 'destination']).optional().describe('Only what this side of the call tells.'),
  protocol: z
    .enum(['http', 'grpc', 'tcp'])
    .optional()
    .describe('Only requests of HTTP but gRPC, of gRPC, or connections of TCP.'),
  code: z
    .string()
    .regex(/^([0-9]{1,3}|[1-5]xx)$/, 'a code is a number, or a class such as 5xx')
    .optional()
    .describe('A status, or a class: `503`, `5xx`.'),
  flag: word.optional().describe('One of the response flags: `UF`.'),
  minLatencyMs: milliseconds.optional(),
  maxLatencyMs: milliseconds.optional(),
  principal: word.optional().describe('A SPIFFE ID on either side.'),
  security: z
    .enum(['mutual_tls', 'none'])
    .optional()
    .describe('How the called proxy saw the connection: by mTLS of the mesh, or (`none`) in plaintext.'),
  method: word.optional(),
  path: word.optional().describe('What the path begins with.'),
  verdict: z
    .enum(['denied', 'trial', 'audit'])
    .optional()
    .describe('What a policy denied, what one of a dry run would have, what one of AUDIT matched.'),
  policy: z
    .string()
    .regex(/^[^/[\]]{1,253}\/[^/[\]]{1,253}$/, 'a policy is NAMESPACE/NAME')
    .optional()
    .describe('Of this AuthorizationPolicy, by namespace and name: `shop/readers`.'),
  trace: z
    .string()
    .regex(/^[0-9a-f]{32}$/, 'a trace ID has 32 hexadecimal digits')
    .optional(),
})
export type LogFilters = z.infer<typeof logFilters>

export const listLogsQuery = pageQuery.extend({ ...logFilters.shape, ...period.shape })
export const tailLogsQuery = logFilters.extend({
  cursor: z.string().max(15_000).optional().describe('Go on where a tail has come to; absent: from now on.'),
})

export const accessLogPage = z.object({
  items: z.array(accessLog),
  nextCursor: z.string().nullable(),
  unavailable,
})
export type AccessLogPage = z.infer<typeof accessLogPage>

export const listTracesQuery = pageQuery.extend({
  ...period.shape,
  cluster: clusterName.optional(),
  service: word.optional().describe('A service that takes part in it: `reviews`, `reviews.shop`, or a host name.'),
  minDurationMs: milliseconds.optional().describe('Some span of it takes at least so long.'),
  error: z.enum(['true']).optional().describe('`true`: some span of it failed.'),
})
export type TraceFilters = Pick<z.infer<typeof listTracesQuery>, 'service' | 'minDurationMs' | 'error'>

/** A trace, by the longest of its spans that were found in a page. */
export const traceSummary = z
  .object({
    traceId: z.string(),
    time: z.string().describe('When that span began.'),
    durationUs: z.number(),
    name: z.string(),
    service: z.string().optional(),
    clusters: z.array(z.string()),
    spans: z.int().describe('Spans of it in this page.'),
    error: z.boolean(),
  })
  .meta({ id: 'TraceSummary' })
export type TraceSummary = z.infer<typeof traceSummary>

export const tracePage = z.object({ items: z.array(traceSummary), nextCursor: z.string().nullable(), unavailable })
export type TracePage = z.infer<typeof tracePage>

export const traceParams = meshParams.extend({
  traceId: z.string().regex(/^[0-9a-f]{32}$/, 'a trace ID has 32 hexadecimal digits'),
})
export const traceQuery = period

export const trace = z.object({
  traceId: z.string(),
  spans: z.array(shownSpan).describe('By the time of their beginning.'),
  truncated: z.boolean().describe('It has more spans than are shown.'),
  searchedTo: z
    .string()
    .optional()
    .describe(
      'Absent: all that is kept was looked through. Else it was enough for one answer, and what is older than this was not: ask again with it as `to`.',
    ),
  unavailable,
})
export type Trace = z.infer<typeof trace>
