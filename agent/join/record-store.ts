import type { SealedDocument } from '#agent/store/sealed-document.ts'
import type { AgentRecord } from './agent-record.ts'

/** Where an agent keeps who it is; the replicas of a Kubernetes cluster keep it in one place. */
export interface RecordStore {
  /** undefined = there is none yet. Rejects with AgentError `unreachable` when trying again may help. */
  load(): Promise<AgentRecord | undefined>
  /**
   * Keeps the record, unless it was changed since it was loaded. Answers what is kept now: this one, or that of a replica that was faster.
   * Rejects as `load` does.
   */
  save(record: AgentRecord): Promise<AgentRecord>
}

/** The record in a file of this agent's own. */
export const toRecordStore = (document: SealedDocument<AgentRecord>): RecordStore => ({
  load: async () => document.load(),
  save: async (record) => {
    document.save(record)
    return record
  },
})
