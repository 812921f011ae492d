import type { AccessLog, ShownSpan } from '#api/schemas/telemetry.ts'
import { parseJson } from '#mesh/parse-json.ts'
import type { FoundRecord } from './record-query.ts'

/** RFC 3339, to the microsecond. */
export const toTimeText = (timeUs: number): string => {
  const ms = Math.floor(timeUs / 1000)
  return new Date(ms).toISOString().replace('Z', `${String(timeUs - ms * 1000).padStart(3, '0')}Z`)
}

export const parseTimeUs = (text: string): number => {
  const [, micros = ''] = /\.\d{3}(\d{1,3})\d*(?:Z|[+-])/.exec(text) ?? []
  return Date.parse(text) * 1000 + Number(micros.padEnd(3, '0'))
}

const toShown = ({ timeUs, fields }: FoundRecord): Record<string, unknown> & { time: string } => ({
  ...fields,
  time: toTimeText(timeUs),
  ...(fields.attributes !== undefined && { attributes: parseJson(String(fields.attributes)) }),
})

/** A stored record has no fields but those of its signal, and of their types: it was written so. */
export const toAccessLog = (record: FoundRecord): AccessLog => toShown(record)

export const toShownSpan = (record: FoundRecord): ShownSpan => ({ ...toShown(record), of: 'span' })
