import { getAuditChain, getOrgAuditChain, listAudit, listOrgAudit } from '#api/routes/audit.ts'
import type { AuditChain, AuditEvent } from '#api/schemas/audit.ts'
import type { CliContext } from '../cli-context.ts'

/** A log of audit events: of a mesh, or of the org. */
export interface AuditSource {
  /** For people, such as "mesh prod". */
  readonly name: string
  readonly readChain: () => Promise<AuditChain>
  /** All events, oldest first, a page at a time as they are asked for. */
  readonly readEvents: () => AsyncIterable<AuditEvent>
}

const PAGE = { order: 'oldest', limit: 500 } as const

export const openAuditSource = async (context: CliContext, ofOrg: boolean): Promise<AuditSource> => {
  const client = context.client()
  if (ofOrg) {
    return {
      name: 'the org',
      readChain: () => client.call(getOrgAuditChain, {}),
      readEvents: () => client.list(listOrgAudit, { query: PAGE }),
    }
  }
  const mesh = await context.mesh()
  return {
    name: `mesh ${mesh}`,
    readChain: () => client.call(getAuditChain, { params: { mesh } }),
    readEvents: () => client.list(listAudit, { params: { mesh }, query: PAGE }),
  }
}
