import { AgentError } from '#agent/agent-error.ts'
import type { SealedDocument } from '#agent/store/sealed-document.ts'
import type { AgentRecord } from './agent-record.ts'

/** Where an agent keeps who it is; the replicas of a Kubernetes cluster keep it in one place. */
export interface RecordStore {
  /** undefined = there is none yet. Rejects with AgentError `unreachable` when trying again may help, `store_unusable` when it can't be read. */
  load(): Promise<AgentRecord | undefined>
  /**
   * Keeps the record, unless it was changed since it was loaded. Answers what is kept now: this one, or that of a replica that was faster.
   * Rejects as `load` does.
   */
  save(record: AgentRecord): Promise<AgentRecord>
}

/** The record in a file of this agent's own. */
export const toRecordStore = (document: SealedDocument<AgentRecord>): RecordStore => ({
  load: async () => {
    const record = document.load()
    // Without this an older agent, or one with another key, would join anew over who it is.
    if (!record && document.isThere)
      throw new AgentError(
        'store_unusable',
        'who this agent is can not be read: it is damaged, sealed with another key, or written by a newer agent. Run that one, restore the key, or join anew with an empty data directory',
      )
    return record
  },
  save: async (record) => {
    document.save(record)
    return record
  },
})
