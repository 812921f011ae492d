import { AgentError } from '#agent/agent-error.ts'
import { isJoined, type AgentRecord } from '#agent/join/agent-record.ts'
import type { RecordStore } from '#agent/join/record-store.ts'
import type { Log } from '#agent/log.ts'
import type { SealedDocument } from '#agent/store/sealed-document.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { KubernetesError } from './kubernetes-client.ts'

export interface KeptRecordStoreOptions {
  /** Of record: what it says goes. */
  readonly secret: RecordStore
  readonly copy: Pick<SealedDocument<AgentRecord>, 'load' | 'save' | 'remove'>
  readonly replica: string
  readonly log: Log
}

/**
 * The record of all replicas, and a sealed copy of it beside the agent for as long as its pod lives: a container that is started anew
 * while the API server is away is who it was. A server that answers is believed, whatever it says.
 */
export class KeptRecordStore implements RecordStore {
  readonly #options: KeptRecordStoreOptions
  /** What the copy says. */
  #kept: AgentRecord | undefined

  constructor(options: KeptRecordStoreOptions) {
    this.#options = options
  }

  async load(): Promise<AgentRecord | undefined> {
    const { secret, copy, replica, log } = this.#options
    try {
      const record = await secret.load()
      if (record) this.#keep(record)
      else this.#forget()
      return record
    } catch (error) {
      const kept = isAway(error) ? copy.load() : undefined
      if (!kept || !isJoined(kept)) throw error
      log.warn('the API server is away: this agent goes on as who it was')
      return { ...kept, replica }
    }
  }

  async save(record: AgentRecord): Promise<AgentRecord> {
    const kept = await this.#options.secret.save(record)
    this.#keep(kept)
    return kept
  }

  #forget(): void {
    this.#kept = undefined
    this.#options.copy.remove()
  }

  /** What can't be written is only not there after the next start. */
  #keep(record: AgentRecord): void {
    if (isEqualData(record, this.#kept)) return
    try {
      this.#options.copy.save(record)
      this.#kept = record
    } catch (error) {
      this.#options.log.warn({ err: error }, 'could not keep a copy of who this agent is')
    }
  }
}

/** No answer, or one that says nothing of the Secret. A refusal is an answer. */
const isAway = (error: unknown): boolean => {
  if (!(error instanceof AgentError) || !(error.cause instanceof KubernetesError)) return false
  const { status } = error.cause
  return status === undefined || status === 429 || status >= 500
}
