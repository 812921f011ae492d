import type { CatalogEntry } from '#mesh/service.ts'
import {
  UPLINK_CHUNK_CHARS,
  UPLINK_MAX_ENTRY_CHARS,
  UPLINK_MAX_GATEWAYS,
  UPLINK_MAX_NAMESPACES,
  type AgentMessage,
} from '#mesh/uplink.ts'
import type { Report } from './catalog-reporter.ts'

type ReportMessage = Extract<AgentMessage, { type: 'report' }>

/** What of a report is more than the plane takes. */
export type Cut =
  | { readonly service: string; readonly endpoints: number }
  | { readonly gateways: number }
  | { readonly namespaces: number }

/**
 * The messages of a report. The first one says what is not a service. Of what is more than fits the first that do are reported, and
 * `onCut` hears of it; a service that does not fit without any endpoint is reported as gone. (A plane that is sent too much ends the
 * session, and would again.)
 */
export const toReportChunks = function* (report: Report, onCut: (cut: Cut) => void): Generator<ReportMessage> {
  const { upserts, removes, gateways, namespaces, ...common } = report
  if (gateways && gateways.length > UPLINK_MAX_GATEWAYS) onCut({ gateways: gateways.length })
  if (namespaces && namespaces.length > UPLINK_MAX_NAMESPACES) onCut({ namespaces: namespaces.length })
  const facts = {
    ...(gateways ? { gateways: gateways.slice(0, UPLINK_MAX_GATEWAYS) } : {}),
    ...(namespaces ? { namespaces: namespaces.slice(0, UPLINK_MAX_NAMESPACES) } : {}),
  }
  let chunk: ReportMessage = { type: 'report', ...common, ...facts, upserts: [], removes: [], more: true }
  let chars = JSON.stringify(facts).length
  const startChunk = (): ReportMessage => ({ type: 'report', ...common, upserts: [], removes: [], more: true })

  for (const key of removes) {
    if (chars + key.length > UPLINK_CHUNK_CHARS) {
      yield chunk
      chunk = startChunk()
      chars = 0
    }
    chunk.removes.push(key)
    chars += key.length + 3
  }
  for (const upsert of upserts) {
    const { entry, length } = toFittingEntry(upsert, onCut)
    if (chars > 0 && chars + length > UPLINK_CHUNK_CHARS) {
      yield chunk
      chunk = startChunk()
      chars = 0
    }
    if (entry) chunk.upserts.push(entry)
    else chunk.removes.push(upsert.service.key)
    chars += length
  }
  yield { ...chunk, more: false }
}

const toFittingEntry = (
  entry: CatalogEntry,
  onCut: (cut: Cut) => void,
): { entry: CatalogEntry | undefined; length: number } => {
  const { length } = JSON.stringify(entry)
  if (length <= UPLINK_MAX_ENTRY_CHARS) return { entry, length }
  onCut({ service: entry.service.key, endpoints: entry.endpoints.length })
  let room = UPLINK_MAX_ENTRY_CHARS - JSON.stringify({ ...entry, endpoints: [] }).length
  if (room < 0) return { entry: undefined, length: entry.service.key.length }
  const endpoints = entry.endpoints.filter((endpoint) => {
    room -= JSON.stringify(endpoint).length + 1
    return room >= 0
  })
  return { entry: { ...entry, endpoints }, length: UPLINK_MAX_ENTRY_CHARS }
}
