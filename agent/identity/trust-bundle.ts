import type { X509Certificate } from '@peculiar/x509'
import type { Log } from '#agent/log.ts'
import type { ClusterName, TrustDomain } from '#mesh/names.ts'
import { issuersIn, type TrustState } from '#mesh/trust.ts'
import { ResourceSet } from '#xds/resource-set.ts'
import { createNobody } from './nobody.ts'
import { buildIssuerSecrets, buildTrustSecrets, type TrustedIntermediate } from './secret-resources.ts'
import { parseCertificates, verifyIntermediate, verifyIssuer } from './verify-intermediate.ts'

export interface UntrustedIntermediate {
  readonly cluster: ClusterName
  readonly reason: string
}

export interface UntrustedIssuer {
  readonly issuer: string
  readonly reason: string
}

interface TrustedIssuer {
  readonly name: string
  readonly certificate: X509Certificate
}

/** What proxies trust: those of the intermediates, and of the external issuers for this cluster, that the plane names and that stand our own verification. */
export class TrustBundle {
  readonly set = new ResourceSet('trust')
  readonly #cluster: ClusterName
  readonly #trustDomain: TrustDomain
  readonly #now: () => number
  readonly #log: Log
  #state: TrustState | undefined
  #trusted: readonly TrustedIntermediate[] = []
  #untrusted: readonly UntrustedIntermediate[] = []
  #issuers: readonly TrustedIssuer[] = []
  #untrustedIssuers: readonly UntrustedIssuer[] = []
  #earliestIssuerNotAfter: number | null = null

  /** `cluster`: whose proxies these are. `now`: milliseconds since the epoch. */
  constructor(cluster: ClusterName, trustDomain: TrustDomain, now: () => number, log: Log) {
    this.#cluster = cluster
    this.#trustDomain = trustDomain
    this.#now = now
    this.#log = log
  }

  get trusted(): readonly TrustedIntermediate[] {
    return this.#trusted
  }

  get untrusted(): readonly UntrustedIntermediate[] {
    return this.#untrusted
  }

  get untrustedIssuers(): readonly UntrustedIssuer[] {
    return this.#untrustedIssuers
  }

  /** Of the external issuers for this cluster the end of the first, also when that is over; null = there is none. */
  get earliestIssuerNotAfter(): number | null {
    return this.#earliestIssuerNotAfter
  }

  /** Takes the plane's word for who is in the mesh, and nobody's for whether a certificate is right. Returns whether it is the newest word still. */
  async update(state: TrustState): Promise<boolean> {
    this.#state = state
    const issuers = parseCertificates(issuersIn(state, this.#cluster).map(({ pem }) => pem))
    this.#earliestIssuerNotAfter =
      issuers.length > 0 ? Math.min(...issuers.map(({ notAfter }) => notAfter.getTime())) : null
    await this.verify()
    return state === this.#state
  }

  /** Verifies everything once more: time passes. Returns whether what is trusted has changed. */
  async verify(): Promise<boolean> {
    const state = this.#state
    if (!state) return false
    const anchors = { trustDomain: this.#trustDomain, roots: parseCertificates(state.roots) }
    const issuerVerdicts = await Promise.all(
      issuersIn(state, this.#cluster).map(async ({ name, pem }) => ({
        name,
        verdict: await verifyIssuer(pem, anchors, this.#now()),
      })),
    )
    const verdicts = await Promise.all(
      state.intermediates.map(async ({ cluster, pem }) => ({
        cluster,
        verdict: await verifyIntermediate(pem, cluster, anchors, this.#now()),
      })),
    )
    const nobody = await createNobody()
    if (state !== this.#state) return false // a newer state is being verified: its verdict counts
    this.#trusted = verdicts.flatMap(({ cluster, verdict }) =>
      verdict.ok ? [{ cluster, certificate: verdict.value }] : [],
    )
    this.#untrusted = verdicts.flatMap(({ cluster, verdict }) =>
      verdict.ok ? [] : [{ cluster, reason: verdict.error }],
    )
    this.#issuers = issuerVerdicts.flatMap(({ name, verdict }) =>
      verdict.ok ? [{ name, certificate: verdict.value }] : [],
    )
    this.#untrustedIssuers = issuerVerdicts.flatMap(({ name, verdict }) =>
      verdict.ok ? [] : [{ issuer: name, reason: verdict.error }],
    )
    const issuers = this.#issuers.map(({ certificate }) => certificate)
    const changes = this.set.apply([
      ...buildTrustSecrets(this.#trusted, this.#trustDomain, nobody),
      ...buildIssuerSecrets(issuers, this.#trustDomain, nobody),
    ])
    if (changes.length === 0) return false
    this.#log.info(
      {
        trusted: this.#trusted.map(({ cluster }) => cluster),
        issuers: this.#issuers.map(({ name }) => name),
        epoch: state.epoch,
      },
      'what proxies trust has changed',
    )
    for (const untrusted of this.#untrusted) this.#log.warn(untrusted, 'an intermediate is not trusted')
    for (const untrusted of this.#untrustedIssuers) this.#log.warn(untrusted, 'an external issuer is not trusted')
    return true
  }
}
