import { X509Certificate } from '@peculiar/x509'
import { vi } from 'vitest'
import type { Issuance, TrustReport, TrustState } from '#mesh/trust.ts'
import { toHex } from '#worker/encode-bytes.ts'
import { TestAgent } from './test-agent.ts'
import type { HelloChanges, TestCluster } from './test-agent.ts'
import { newCsr, newKeys } from './test-identity.ts'

export const fingerprintOf = async (pem: string): Promise<string> =>
  toHex(new Uint8Array(await new X509Certificate(pem).getThumbprint('SHA-256')))

/** An uplink whose cluster does at once what the plane says of trust, and says so, but for what is held back. */
export class FollowingAgent {
  readonly agent: TestAgent
  /** What is said otherwise than it is. */
  lie: Partial<TrustReport> = {}
  /** Says and does nothing while it is set. */
  isMute = false
  signer: string
  incoming: string | null = null
  #requests = 0
  #told = ''
  #isStopped = false

  private constructor(agent: TestAgent, signer: string) {
    this.agent = agent
    this.signer = signer
  }

  static async connect(
    cluster: TestCluster,
    hello: HelloChanges = {},
    before?: Pick<FollowingAgent, 'signer' | 'incoming'>,
  ): Promise<FollowingAgent> {
    const agent = await TestAgent.connect(cluster, hello)
    const following = new FollowingAgent(agent, before?.signer ?? (await fingerprintOf(cluster.joined.certificatePem)))
    following.incoming = before?.incoming ?? null
    void following.#follow()
    return following
  }

  stop(): void {
    this.#isStopped = true
  }

  async leave(): Promise<void> {
    this.stop()
    this.agent.socket.close()
    await Promise.resolve()
  }

  get trust(): TrustState | undefined {
    const item = this.agent.state.get('trust')
    return item?.kind === 'trust' ? item.value : undefined
  }

  get issuance(): Issuance | undefined {
    const item = this.agent.state.get(`issuance/${this.agent.cluster.name}`)
    return item?.kind === 'issuance' ? item.value : undefined
  }

  /** The clusters whose intermediates are trusted, as often as they have one. */
  trusted(): string[] {
    return this.trust?.intermediates.map(({ cluster }) => cluster) ?? []
  }

  report(): TrustReport {
    const version = this.trust?.version ?? 0
    const said = { version, held: version, signer: this.signer, incoming: this.incoming, untrusted: [], laggards: [] }
    return { ...said, proxies: 3, otherLeaves: 0, unproven: 0, ...this.lie }
  }

  async #follow(): Promise<void> {
    while (!this.#isStopped && !this.agent.closed) {
      if (!this.isMute) await this.#step()
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async #step(): Promise<void> {
    await this.#renew()
    const { issuance } = this
    if (this.incoming !== null && issuance?.settled.includes(this.incoming)) {
      this.signer = this.incoming
      this.incoming = null
    }
    const report = this.report()
    if (JSON.stringify(report) === this.#told || this.agent.closed) return
    this.#told = JSON.stringify(report)
    this.agent.send({ type: 'trust', report })
  }

  /** Asks for an intermediate of the root that is wanted, unless it has one; drops what is not wanted. */
  async #renew(): Promise<void> {
    const root = this.issuance?.root
    if (root === undefined) return
    const rootOf = await this.#rootsByFingerprint()
    if (this.incoming !== null && rootOf.get(this.incoming) !== root) this.incoming = null
    if (rootOf.get(this.incoming ?? this.signer) === root) return
    const request = `rotate-${(this.#requests += 1)}`
    this.agent.send({ type: 'csr', request, csrPem: await newCsr(await newKeys()) })
    const answer = await vi.waitUntil(
      () =>
        this.agent.closed ?? this.agent.messages.find((message) => 'request' in message && message.request === request),
      { timeout: 10_000, interval: 5 },
    )
    if (!('type' in answer) || answer.type !== 'issued') return
    this.incoming = await fingerprintOf(answer.certificatePem)
    FollowingAgent.#issued.set(this.incoming, answer.certificatePem)
  }

  static readonly #issued = new Map<string, string>()

  /** By whom what this cluster has was signed. */
  async #rootsByFingerprint(): Promise<Map<string, string>> {
    const roots = new Map<string, string>()
    for (const pem of this.trust?.roots ?? []) roots.set(new X509Certificate(pem).subject, await fingerprintOf(pem))
    const own = [this.agent.cluster.joined.certificatePem, ...FollowingAgent.#issued.values()]
    const found = new Map<string, string>()
    for (const pem of own) {
      const root = roots.get(new X509Certificate(pem).issuer)
      if (root !== undefined) found.set(await fingerprintOf(pem), root)
    }
    return found
  }
}
