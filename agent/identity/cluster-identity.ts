import type { experimental } from '@grpc/grpc-js'
import type { WorkloadIdentity } from '#mesh/identity.ts'
import type { PeerFacts } from '#mesh/telemetry/peer-facts.ts'
import type { ClusterName, TrustDomain } from '#mesh/names.ts'
import type { Issuance, TrustReport, TrustState } from '#mesh/trust.ts'
import type { ResourceSet } from '#xds/resource-set.ts'
import { Intermediate, type IntermediateOptions } from './intermediate.ts'
import { toAgentNames, type LeafIssuer } from './issue-leaf.ts'
import { ServerCertificate } from './server-certificate.ts'
import { toSystemTrustSet } from './system-trust.ts'
import { toFingerprint } from './to-fingerprint.ts'
import { TrustBundle, type UntrustedIntermediate, type UntrustedIssuer } from './trust-bundle.ts'
import { parseCertificates, verifyIntermediate } from './verify-intermediate.ts'
import { WorkloadIdentities } from './workload-identities.ts'

export interface ClusterIdentityOptions extends Pick<
  IntermediateOptions,
  'cluster' | 'material' | 'incoming' | 'clock' | 'random' | 'log' | 'requestCertificate' | 'store'
> {
  readonly trustDomain: TrustDomain
  /** The roots of the time of joining: what a new intermediate is verified against until the plane's trust state is here. */
  readonly rootsPem: readonly string[]
  /** Secrets have changed by themselves (renewal, expiry): push them. */
  readonly onSecretsChange: () => void
}

/** For /metrics and /readyz. Times are milliseconds since the epoch. */
export interface IdentityStatus {
  readonly intermediate: {
    readonly notAfter: number
    readonly renewAt: number
    readonly state: Intermediate['state']
  }
  readonly leaves: number
  /** Of the leaf that runs out first; null = there is none. */
  readonly earliestLeafNotAfter: number | null
  readonly serverNotAfter: number | null
  /** Of the external issuer that runs out first, or has; null = there is none. */
  readonly earliestIssuerNotAfter: number | null
  /** Of the root that runs out first. */
  readonly earliestRootNotAfter: number | null
  readonly trusted: readonly ClusterName[]
  readonly untrusted: readonly UntrustedIntermediate[]
  readonly untrustedIssuers: readonly UntrustedIssuer[]
  readonly withoutLeaf: readonly { readonly spiffeId: string; readonly problem: string }[]
}

/** What the secrets are made of now. */
export interface SecretsState extends Pick<TrustReport, 'version' | 'signer' | 'incoming'> {
  readonly untrusted: readonly UntrustedIntermediate[]
  /** Whether all leaves are of the signer. */
  readonly areLeavesOfSigner: boolean
  readonly isIncomingOfOtherRoot: boolean
}

const maintenanceMilliseconds = 30_000
const verificationMilliseconds = 60 * 60_000

/** The secrets of a proxy, until they are released. */
export interface HeldSecrets {
  readonly sets: readonly ResourceSet[]
  /** When its leaf is among them, or can't be. */
  readonly ready: Promise<void>
  release(): void
}

/**
 * A cluster's part in the mesh's trust: its intermediate, the leaves of its workloads, the certificate of its agent, and what its
 * proxies trust. All of it works without the plane until the intermediate runs out.
 */
export class ClusterIdentity {
  readonly #options: ClusterIdentityOptions
  readonly #intermediate: Intermediate
  readonly #workloads: WorkloadIdentities
  readonly #server: ServerCertificate
  readonly #trust: TrustBundle
  #roots: readonly string[]
  #version = 0
  #showsIncoming = false
  #verifiedAt = 0
  #maintenance: Promise<void> | undefined
  #cancelMaintenance = (): void => {}
  #cancelIssuance = (): void => {}
  #isStopped = false

  private constructor(options: ClusterIdentityOptions) {
    this.#options = options
    this.#roots = options.rootsPem
    const { cluster, trustDomain, clock, log, random } = options
    this.#trust = new TrustBundle(cluster, trustDomain, () => clock.now(), log)
    this.#intermediate = new Intermediate({
      ...options,
      verify: (pem) =>
        verifyIntermediate(pem, cluster, { trustDomain, roots: parseCertificates(this.#roots) }, clock.now()),
      isTrusted: (certificate) => this.#trust.trusted.some((trusted) => trusted.certificate.equal(certificate)),
      rootOf: (certificate) => {
        const root = parseCertificates(this.#roots).find(({ subject }) => subject === certificate.issuer)
        return root && toFingerprint(root)
      },
    })
    const issuer = () => this.#intermediate.issuer
    const keyAlgorithm = () => this.#intermediate.leafKey
    this.#workloads = new WorkloadIdentities({ cluster, trustDomain, clock, random, log, issuer, keyAlgorithm })
    const serverIssuer = (): LeafIssuer | undefined =>
      (this.#showsIncoming ? this.#intermediate.incoming : undefined) ?? issuer()
    this.#server = new ServerCertificate({
      names: toAgentNames(cluster, trustDomain),
      clock,
      random,
      issuer: serverIssuer,
    })
  }

  /** Ready to serve; renewal goes on until `stop`. */
  static async start(options: ClusterIdentityOptions): Promise<ClusterIdentity> {
    const identity = new ClusterIdentity(options)
    await identity.#intermediate.takeOverIfDue()
    await identity.#server.renewIfDue()
    identity.#scheduleMaintenance()
    return identity
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelMaintenance()
    this.#cancelIssuance()
  }

  /** The xDS server's certificate. */
  get serverCertificate(): experimental.CertificateProvider {
    return this.#server
  }

  /**
   * Takes what the plane says of trust. Resolves when the secrets say so too: only then may a new trust epoch be compiled, or the
   * connections that it closes would be made again under the old trust.
   */
  async updateTrust(trust: TrustState): Promise<void> {
    this.#roots = trust.roots
    this.#verifiedAt = this.#options.clock.now()
    if (await this.#trust.update(trust)) this.#version = trust.version ?? 0
  }

  /** Takes what the plane says of the intermediate that is to sign; undefined = it says nothing. What follows from it is done by itself. */
  updateIssuance(issuance: Issuance | undefined): void {
    const { clock, log } = this.#options
    this.#cancelIssuance()
    const dueAt = this.#intermediate.take(issuance)
    if (dueAt === undefined || this.#isStopped) return
    this.#cancelIssuance = clock.after(Math.max(0, dueAt - clock.now()), () => {
      void this.maintain().catch((error: unknown) => log.error({ err: error }, 'could not maintain certificates'))
    })
  }

  /** Which intermediate vouches for the agent on connections of proxies that are made from now on: the one that is to sign next, or the one that does. */
  async showIncoming(shows: boolean): Promise<void> {
    this.#showsIncoming = shows
    await this.#server.renewIfDue()
  }

  secretsState(): SecretsState {
    const { issuer, incoming, isIncomingOfOtherRoot } = this.#intermediate
    return {
      version: this.#version,
      untrusted: this.#trust.untrusted,
      signer: issuer ? toFingerprint(issuer.certificate) : null,
      incoming: incoming ? toFingerprint(incoming.certificate) : null,
      areLeavesOfSigner: this.#workloads.areOfOneIssuer,
      isIncomingOfOtherRoot,
    }
  }

  /** The secrets that a proxy of this account, in front of such a workload, may have. */
  attach(identity: WorkloadIdentity, facts: PeerFacts): HeldSecrets {
    const { set, ...held } = this.#workloads.acquire(identity, facts)
    return { sets: [set, this.#trust.set, toSystemTrustSet()], ...held }
  }

  status(): IdentityStatus {
    const { leaves, problems } = this.#workloads
    const roots = parseCertificates(this.#roots)
    return {
      intermediate: {
        notAfter: this.#intermediate.notAfter,
        renewAt: this.#intermediate.renewAt,
        state: this.#intermediate.state,
      },
      leaves: leaves.length,
      earliestLeafNotAfter: leaves.length > 0 ? Math.min(...leaves.map(({ notAfter }) => notAfter)) : null,
      serverNotAfter: this.#server.leaf?.notAfter ?? null,
      earliestIssuerNotAfter: this.#trust.earliestIssuerNotAfter,
      earliestRootNotAfter: roots.length > 0 ? Math.min(...roots.map(({ notAfter }) => notAfter.getTime())) : null,
      trusted: this.#trust.trusted.map(({ cluster }) => cluster),
      untrusted: this.#trust.untrusted,
      untrustedIssuers: this.#trust.untrustedIssuers,
      withoutLeaf: problems,
    }
  }

  /** Does what time demands. It runs by itself; tests call it after they moved the clock. */
  maintain(): Promise<void> {
    this.#maintenance ??= this.#maintainOnce().finally(() => (this.#maintenance = undefined))
    return this.#maintenance
  }

  async #maintainOnce(): Promise<void> {
    const before = JSON.stringify(this.secretsState())
    await this.#intermediate.maintain()
    await this.#server.renewIfDue()
    const haveLeavesChanged = await this.#workloads.renewDue()
    const hasTrustChanged = await this.#verifyAgain()
    if (haveLeavesChanged || hasTrustChanged || JSON.stringify(this.secretsState()) !== before)
      this.#options.onSecretsChange()
  }

  async #verifyAgain(): Promise<boolean> {
    const now = this.#options.clock.now()
    if (now < this.#verifiedAt + verificationMilliseconds) return false
    this.#verifiedAt = now
    return this.#trust.verify()
  }

  #scheduleMaintenance(): void {
    if (this.#isStopped) return
    this.#cancelMaintenance = this.#options.clock.after(maintenanceMilliseconds, () => {
      void this.maintain()
        .catch((error: unknown) => this.#options.log.error({ err: error }, 'could not maintain certificates'))
        .finally(() => this.#scheduleMaintenance())
    })
  }
}
