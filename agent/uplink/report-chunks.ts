import type { CatalogEntry } from '#mesh/service.ts'
import { UPLINK_CHUNK_CHARS, UPLINK_MAX_ENTRY_CHARS, type AgentMessage } from '#mesh/uplink.ts'
import type { Report } from './catalog-reporter.ts'

type ReportMessage = Extract<AgentMessage, { type: 'report' }>

/**
 * The messages of a report. The first one says what is not a service. `onCut` hears of a service with more endpoints than fit in
 * one message: the first that fit are reported.
 */
export const toReportChunks = function* (
  report: Report,
  onCut: (entry: CatalogEntry) => void,
): Generator<ReportMessage> {
  const { upserts, removes, gateways, namespaces, ...common } = report
  const facts = { ...(gateways ? { gateways } : {}), ...(namespaces ? { namespaces } : {}) }
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
    chunk.upserts.push(entry)
    chars += length
  }
  yield { ...chunk, more: false }
}

const toFittingEntry = (
  entry: CatalogEntry,
  onCut: (entry: CatalogEntry) => void,
): { entry: CatalogEntry; length: number } => {
  const { length } = JSON.stringify(entry)
  if (length <= UPLINK_MAX_ENTRY_CHARS) return { entry, length }
  onCut(entry)
  let room = UPLINK_MAX_ENTRY_CHARS - JSON.stringify({ ...entry, endpoints: [] }).length
  const endpoints = entry.endpoints.filter((endpoint) => {
    room -= JSON.stringify(endpoint).length + 1
    return room >= 0
  })
  return { entry: { ...entry, endpoints }, length: UPLINK_MAX_ENTRY_CHARS }
}
