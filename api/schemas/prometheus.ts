import { z } from 'zod'
import { openEnum } from '../open-enum.ts'
import { meshParams } from './common.ts'

export const labelParams = meshParams.extend({ label: z.string().min(1).max(256) })

const time = z.string().max(64).optional()
const timeText = 'Seconds since 1970, or RFC 3339.'
const query = z.string().min(1).describe('In Prometheus’ language: docs/telemetry.md says what of it.')

export const instantQuery = z.object({
  query,
  time: time.describe(`${timeText} Absent: now.`),
})
export const rangeQuery = z.object({
  query,
  start: z.string().max(64).describe(timeText),
  end: z.string().max(64).describe(timeText),
  step: z.string().max(64).describe('Seconds, or a duration such as `30s`.'),
})
export const seriesQuery = z.object({
  'match[]': z
    .union([z.string(), z.array(z.string())])
    .optional()
    .describe('Selectors of series. Absent: all.'),
  start: time.describe(`${timeText} Absent: an hour before the end.`),
  end: time.describe(`${timeText} Absent: now.`),
})
export const federateQuery = seriesQuery.pick({ 'match[]': true })

const metric = z.record(z.string(), z.string())
const sample = z.tuple([z.number(), z.string()])

/** The `data` of a query: one of Prometheus' types of result. */
const queryData = z.object({
  resultType: openEnum(['matrix', 'vector', 'scalar', 'string']),
  result: z.union([
    sample,
    z.array(z.object({ metric, value: sample })),
    z.array(z.object({ metric, values: z.array(sample) })),
  ]),
})

const warnings = z
  .array(z.string())
  .optional()
  .describe('Clusters that did not answer: what they have is missing here.')
const toSuccess = <Data extends z.ZodType>(data: Data) => z.object({ status: z.string(), data, warnings })

export const queryAnswer = toSuccess(queryData)
export const textsAnswer = toSuccess(z.array(z.string()))
export const seriesAnswer = toSuccess(z.array(metric))
export const metadataAnswer = toSuccess(
  z.record(z.string(), z.array(z.object({ type: z.string(), help: z.string(), unit: z.string() }))),
)
export const buildAnswer = toSuccess(z.object({ version: z.string(), application: z.string() }))
export const refusalAnswer = z.object({ status: z.string(), errorType: z.string(), error: z.string() })
