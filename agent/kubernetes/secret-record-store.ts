import { z } from 'zod'
import { AgentError } from '#agent/agent-error.ts'
import { agentRecord, type AgentRecord } from '#agent/join/agent-record.ts'
import type { RecordStore } from '#agent/join/record-store.ts'
import { agentObjectLabels, agentStateKey, agentStateSecret, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { KubernetesError } from './kubernetes-client.ts'
import { objectMetadata, type ObjectClient, type ObjectKind } from './object-client.ts'

const secret = z.object({
  metadata: objectMetadata,
  type: z.string().optional(),
  /** In base64. */
  data: z.record(z.string(), z.string()).optional(),
})
export type Secret = z.infer<typeof secret>

export const secretKind: ObjectKind<Secret> = { apiVersion: 'v1', kind: 'Secret', resource: 'secrets', schema: secret }

/** What the replicas have in common; each has a name of its own. */
const sharedRecord = agentRecord.omit({ replica: true })

/** The record of all replicas of a cluster's agent, in one Secret (docs/decisions/0011). The first that joins makes it. */
export class SecretRecordStore implements RecordStore {
  readonly #secrets: Pick<ObjectClient<Secret>, 'find' | 'create' | 'replace'>
  readonly #replica: string
  /** As it was when last read or written. */
  #secret: Secret | undefined

  constructor(secrets: Pick<ObjectClient<Secret>, 'find' | 'create' | 'replace'>, replica: string) {
    this.#secrets = secrets
    this.#replica = replica
  }

  async load(): Promise<AgentRecord | undefined> {
    this.#secret = await reach(() => this.#secrets.find(systemNamespace, agentStateSecret))
    return this.#secret && this.#toRecord(this.#secret)
  }

  async save({ replica: _own, ...shared }: AgentRecord): Promise<AgentRecord> {
    const before = this.#secret
    const wanted: Secret = {
      metadata: before?.metadata ?? { name: agentStateSecret, namespace: systemNamespace, labels: agentObjectLabels },
      type: 'Opaque',
      data: { ...before?.data, [agentStateKey]: Buffer.from(JSON.stringify(shared)).toString('base64') },
    }
    const kept = await reach(() => (before ? this.#secrets.replace(wanted) : this.#secrets.create(wanted)))
    if (kept) {
      this.#secret = kept
      return this.#toRecord(kept)
    }
    const current = await this.load()
    if (current) return current
    throw new AgentError('unreachable', `${agentStateSecret} is being deleted`)
  }

  /** The error says nothing of what is in it. */
  #toRecord({ data }: Secret): AgentRecord {
    const parsed = sharedRecord.safeParse(parseBase64Json(data?.[agentStateKey] ?? ''))
    if (parsed.success) return { ...parsed.data, replica: this.#replica }
    throw new AgentError(
      'store_unusable',
      `Secret ${systemNamespace}/${agentStateSecret} does not hold who this agent is; without it the cluster has to join anew`,
    )
  }
}

const reach = async <T>(task: () => Promise<T>): Promise<T> => {
  try {
    return await task()
  } catch (error) {
    if (!(error instanceof KubernetesError)) throw error
    throw new AgentError('unreachable', error.message, { cause: error })
  }
}

const parseBase64Json = (text: string): unknown => {
  try {
    return JSON.parse(Buffer.from(text, 'base64').toString('utf8'))
  } catch {
    return undefined
  }
}
