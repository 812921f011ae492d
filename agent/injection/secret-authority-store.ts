import { z } from 'zod'
import { AgentError } from '#agent/agent-error.ts'
import type { ObjectClient } from '#agent/kubernetes/object-client.ts'
import type { Secret } from '#agent/kubernetes/secret-record-store.ts'
import { agentObjectLabels, injectorSecret, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { webhookAuthority, type WebhookAuthority } from './webhook-authority.ts'
import type { AuthorityStore } from './webhook-certificate.ts'

const dataKey = 'authorities.json'

/** The authorities in one Secret, which the first replica makes. */
export class SecretAuthorityStore implements AuthorityStore {
  readonly #secrets: Pick<ObjectClient<Secret>, 'find' | 'create' | 'replace'>
  /** As it was when last read or written. */
  #secret: Secret | undefined

  constructor(secrets: Pick<ObjectClient<Secret>, 'find' | 'create' | 'replace'>) {
    this.#secrets = secrets
  }

  async read(): Promise<readonly WebhookAuthority[]> {
    this.#secret = await this.#secrets.find(systemNamespace, injectorSecret)
    const text = this.#secret?.data?.[dataKey]
    if (text === undefined) return []
    const parsed = z.array(webhookAuthority).safeParse(parseBase64Json(text))
    if (parsed.success) return parsed.data
    throw new AgentError(
      'store_unusable',
      `Secret ${systemNamespace}/${injectorSecret} does not hold the injector's authorities; delete it, and new ones are made`,
    )
  }

  async write(authorities: readonly WebhookAuthority[]): Promise<boolean> {
    const before = this.#secret
    const wanted: Secret = {
      metadata: before?.metadata ?? { name: injectorSecret, namespace: systemNamespace, labels: agentObjectLabels },
      type: 'Opaque',
      data: { [dataKey]: Buffer.from(JSON.stringify(authorities)).toString('base64') },
    }
    const kept = await (before ? this.#secrets.replace(wanted) : this.#secrets.create(wanted))
    if (kept) this.#secret = kept
    return kept !== undefined
  }
}

const parseBase64Json = (text: string): unknown => {
  try {
    return JSON.parse(Buffer.from(text, 'base64').toString('utf8'))
  } catch {
    return undefined
  }
}
