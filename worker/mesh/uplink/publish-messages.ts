import { UPLINK_CHUNK_CHARS } from '#mesh/uplink.ts'
import type { Publication } from '#mesh/uplink.ts'
import { listPublications } from '../publishing/commit-publishing.ts'
import { listPublishScopes } from '../publishing/publish-grants.ts'
import { sendMessage } from './session.ts'
import type { Session } from './session.ts'

/** Tells a cluster's reporter what became of all that it asks to have published, and what it may publish, if there is one that understands. */
export const tellPublications = (sql: SqlStorage, reporter: Session | undefined): void => {
  if (!reporter?.state.publishes) return
  let publications: Publication[] = []
  let chars = 0
  for (const publication of listPublications(sql, reporter.state.cluster)) {
    const { length } = JSON.stringify(publication)
    if (chars + length > UPLINK_CHUNK_CHARS) {
      sendMessage(reporter.socket, { type: 'published', publications, more: true })
      publications = []
      chars = 0
    }
    publications.push(publication)
    chars += length
  }
  const grants = listPublishScopes(sql, reporter.state.cluster)
  sendMessage(reporter.socket, { type: 'published', publications, grants, more: false })
}
