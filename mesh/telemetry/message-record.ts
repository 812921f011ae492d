import { accessRecordSeparator } from './access-record.ts'
import { standardMetrics, type StandardMetric } from './standard-metrics.ts'

/**
 * What a proxy tells its agent of the messages of one call of gRPC, for the standard metrics of these: which metrics are meant, "<messages of the request>,<of
 * the response>", and the tags with which its other metrics are counted. Envoy has both counts in one text, which its stats logger can't count. It is a
 * record of its own, since neither filters of access logs nor who disables them touch metrics.
 */
export interface MessageRecord {
  readonly counts: readonly (readonly [metric: MessageMetric, messages: number])[]
  readonly tags: ReadonlyMap<string, string>
}

/** In the place of an access record's version. */
const kind = 'messages'
const prefix = `${kind}${accessRecordSeparator}`
/** Between names, which are in one value. */
const nameSeparator = '\u001E'

const messageMetrics = ['request_messages_total', 'response_messages_total'] as const satisfies StandardMetric[]
type MessageMetric = (typeof messageMetrics)[number]

export const isMessageMetric = (metric: StandardMetric): metric is MessageMetric =>
  standardMetrics[metric].of === 'grpc'

/** The format of such a record. `tags`: each with Envoy's format of its value. */
export const toMessageFormat = (
  metrics: readonly StandardMetric[],
  counts: string,
  tags: readonly (readonly [tag: string, format: string])[],
): string => {
  const names = tags.map(([tag]) => tag.replaceAll('%', '%%')).join(nameSeparator)
  return [kind, metrics.join(nameSeparator), counts, names, ...tags.map(([, format]) => format)].join(
    accessRecordSeparator,
  )
}

export const isMessageRecord = (text: string): boolean => text.startsWith(prefix)

/** Undefined: it is none, or one value holds the separator. A call without a message has no counts. */
export const parseMessageRecord = (text: string): MessageRecord | undefined => {
  const [, metrics = '', told = '', names = '', ...values] = text.split(accessRecordSeparator)
  const tags = names.split(nameSeparator)
  if (!isMessageRecord(text) || tags.length !== values.length) return undefined
  const messages = told.split(',').map(Number)
  const wanted = metrics.split(nameSeparator)
  return {
    counts: messageMetrics.flatMap((metric, index) => {
      const count = messages[index]
      return wanted.includes(metric) && Number.isSafeInteger(count) && Number(count) > 0
        ? [[metric, Number(count)] as const]
        : []
    }),
    tags: new Map(tags.map((tag, index) => [tag, values[index] ?? ''])),
  }
}
