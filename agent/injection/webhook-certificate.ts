import 'reflect-metadata'
import { ExtendedKeyUsage, X509Certificate } from '@peculiar/x509'
import type { Clock } from '#agent/clock.ts'
import { importPrivateKeyPem } from '#agent/identity/certificate-key.ts'
import type { Leaf, LeafIssuer } from '#agent/identity/issue-leaf.ts'
import { ServerCertificate } from '#agent/identity/server-certificate.ts'
import { agentName, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { createWebhookAuthority, planAuthorities, type WebhookAuthority } from './webhook-authority.ts'

/** Where the replicas share their authorities. */
export interface AuthorityStore {
  /** Empty = there is none yet. */
  read(): Promise<readonly WebhookAuthority[]>
  /** false = somebody else has written since this one has read. */
  write(authorities: readonly WebhookAuthority[]): Promise<boolean>
}

export interface WebhookCertificateOptions {
  readonly store: AuthorityStore
  readonly clock: Clock
  /** 0 to 1, 1 excluded. */
  readonly random: () => number
}

/** The name that an API server calls a Service by. */
export const webhookHost = `${agentName}.${systemNamespace}.svc`

/** The injector's own certificate, from an authority that all replicas share and any of them makes or renews. */
export class WebhookCertificate {
  readonly #options: WebhookCertificateOptions
  #server: ServerCertificate
  #issuer: LeafIssuer | undefined
  /** Of whom the leaf is. */
  #issuedBy: WebhookAuthority | undefined
  #caBundle = ''

  constructor(options: WebhookCertificateOptions) {
    this.#options = options
    this.#server = this.#createServerCertificate()
  }

  /** undefined = there has been none yet. */
  get leaf(): Leaf | undefined {
    return this.#server.leaf
  }

  /** PEM of all that API servers should trust; "" = not known yet. */
  get caBundle(): string {
    return this.#caBundle
  }

  /** Does what time demands. Rejects when the store can't be reached. */
  async maintain(): Promise<void> {
    const { clock } = this.#options
    const { signer, valid } = planAuthorities(await this.#renewAuthorities(), clock.now())
    this.#caBundle = valid.map(({ certificatePem }) => certificatePem).join('')
    this.#issuer = signer && {
      certificate: new X509Certificate(signer.certificatePem),
      privateKey: await importPrivateKeyPem(signer.privateKeyPem),
    }
    // A leaf whose authority was lost with its Secret is of no use to anybody.
    if (!valid.some(({ certificatePem }) => certificatePem === this.#issuedBy?.certificatePem))
      this.#server = this.#createServerCertificate()
    const before = this.#server.leaf
    await this.#server.renewIfDue()
    if (this.#server.leaf !== before) this.#issuedBy = signer
  }

  #createServerCertificate(): ServerCertificate {
    return new ServerCertificate({
      ...this.#options,
      names: { dnsNames: [webhookHost], usages: [ExtendedKeyUsage.serverAuth] },
      issuer: () => this.#issuer,
    })
  }

  async #renewAuthorities(): Promise<readonly WebhookAuthority[]> {
    const { clock, store } = this.#options
    const authorities = await store.read()
    const { isDue, valid } = planAuthorities(authorities, clock.now())
    if (!isDue) return authorities
    const renewed = [...valid, await createWebhookAuthority(clock.now())]
    return (await store.write(renewed)) ? renewed : store.read()
  }
}
