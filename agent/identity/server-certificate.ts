import type { experimental } from '@grpc/grpc-js'
import type { Clock } from '#agent/clock.ts'
import { issueLeaf, type Leaf, type LeafIssuer, type LeafNames } from './issue-leaf.ts'
import { toRenewalTime } from './renewal-time.ts'

export interface ServerCertificateOptions {
  readonly names: LeafNames
  readonly clock: Clock
  /** 0 to 1, 1 excluded. */
  readonly random: () => number
  readonly issuer: () => LeafIssuer | undefined
}

/** The xDS server's own certificate. A new one takes effect for new connections; the open ones stay. */
export class ServerCertificate implements experimental.CertificateProvider {
  readonly #options: ServerCertificateOptions
  readonly #listeners = new Set<experimental.IdentityCertificateUpdateListener>()
  #leaf: Leaf | undefined
  #renewAt = 0

  constructor(options: ServerCertificateOptions) {
    this.#options = options
  }

  get leaf(): Leaf | undefined {
    return this.#leaf
  }

  async renewIfDue(): Promise<void> {
    const { clock, issuer: findIssuer, names, random } = this.#options
    const issuer = findIssuer()
    if (!issuer) return
    if (clock.now() < this.#renewAt && this.#leaf?.issuer.equal(issuer.certificate)) return
    const leaf = await issueLeaf(issuer, names, clock.now())
    this.#leaf = leaf
    this.#renewAt = toRenewalTime({ from: leaf.issuedAt, to: leaf.notAfter }, random)
    for (const listener of this.#listeners) listener(toUpdate(leaf))
  }

  addIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#listeners.add(listener)
    // Later: grpc-js does not listen to itself yet while it adds this listener.
    process.nextTick(() => {
      if (this.#leaf && this.#listeners.has(listener)) listener(toUpdate(this.#leaf))
    })
  }

  removeIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#listeners.delete(listener)
  }

  /** Proxies prove who they are by token, not by certificate. */
  addCaCertificateListener(): void {}
  removeCaCertificateListener(): void {}
}

const toUpdate = (leaf: Leaf): experimental.IdentityCertificateUpdate => ({
  certificate: Buffer.from(leaf.chainPem),
  privateKey: Buffer.from(leaf.privateKeyPem),
})
