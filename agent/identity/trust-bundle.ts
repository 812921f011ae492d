import type { Log } from '#agent/log.ts'
import type { ClusterName, TrustDomain } from '#mesh/names.ts'
import type { TrustState } from '#mesh/trust.ts'
import { ResourceSet } from '#xds/resource-set.ts'
import { buildTrustSecrets, type TrustedIntermediate } from './secret-resources.ts'
import { parseCertificates, verifyIntermediate } from './verify-intermediate.ts'

export interface UntrustedIntermediate {
  readonly cluster: ClusterName
  readonly reason: string
}

/** What proxies trust: those of the intermediates that the plane names which stand our own verification. */
export class TrustBundle {
  readonly set = new ResourceSet('trust')
  readonly #trustDomain: TrustDomain
  readonly #now: () => number
  readonly #log: Log
  #state: TrustState | undefined
  #trusted: readonly TrustedIntermediate[] = []
  #untrusted: readonly UntrustedIntermediate[] = []

  /** `now`: milliseconds since the epoch. */
  constructor(trustDomain: TrustDomain, now: () => number, log: Log) {
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

  /** Takes the plane's word for who is in the mesh, and nobody's for whether a certificate is right. */
  async update(state: TrustState): Promise<void> {
    this.#state = state
    await this.verify()
  }

  /** Verifies everything once more: time passes. Returns whether what is trusted has changed. */
  async verify(): Promise<boolean> {
    const state = this.#state
    if (!state) return false
    const anchors = { trustDomain: this.#trustDomain, roots: parseCertificates(state.roots) }
    const verdicts = await Promise.all(
      state.intermediates.map(async ({ cluster, pem }) => ({
        cluster,
        verdict: await verifyIntermediate(pem, cluster, anchors, this.#now()),
      })),
    )
    if (state !== this.#state) return false // a newer state is being verified: its verdict counts
    this.#trusted = verdicts.flatMap(({ cluster, verdict }) =>
      verdict.ok ? [{ cluster, certificate: verdict.value }] : [],
    )
    this.#untrusted = verdicts.flatMap(({ cluster, verdict }) =>
      verdict.ok ? [] : [{ cluster, reason: verdict.error }],
    )
    const changes = this.set.apply(buildTrustSecrets(this.#trusted, this.#trustDomain))
    if (changes.length === 0) return false
    this.#log.info(
      { trusted: this.#trusted.map(({ cluster }) => cluster), epoch: state.epoch },
      'what proxies trust has changed',
    )
    for (const untrusted of this.#untrusted) this.#log.warn(untrusted, 'an intermediate is not trusted')
    return true
  }
}
