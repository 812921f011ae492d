import 'reflect-metadata'
import type { webcrypto } from 'node:crypto'
import { X509Certificate } from '@peculiar/x509'
import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import { defaultKeyAlgorithm, findKeyAlgorithm, type KeyAlgorithm } from '#mesh/key-algorithm.ts'
import type { ClusterName } from '#mesh/names.ts'
import type { Result } from '#mesh/result.ts'
import type { Issuance } from '#mesh/trust.ts'
import { generateKeyPair } from './certificate-key.ts'
import { createIntermediateCsr } from './create-intermediate-csr.ts'
import type { LeafIssuer } from './issue-leaf.ts'
import { toRenewalTime } from './renewal-time.ts'
import { toFingerprint } from './to-fingerprint.ts'

export interface IntermediateMaterial {
  readonly certificatePem: string
  readonly privateKey: webcrypto.CryptoKey
}

/** A cluster's intermediates as they are kept: on disk, or where all its replicas have them. */
export interface KeptIntermediates {
  /** The one that signs. */
  readonly material: IntermediateMaterial
  /** The one that will, once it is trusted everywhere; `receivedAt` is in milliseconds since the epoch. */
  readonly incoming?: IntermediateMaterial & { readonly receivedAt: number }
}

/** Where they are kept. Rejects when it can't be reached. */
export interface IntermediateStore {
  /** undefined = there are none. */
  load(): Promise<KeptIntermediates | undefined>
  /** Does nothing when another replica was faster since `load`. */
  save(intermediates: KeptIntermediates): Promise<void>
}

export interface IntermediateOptions extends KeptIntermediates {
  readonly cluster: ClusterName
  readonly clock: Clock
  /** 0 to 1, 1 excluded. */
  readonly random: () => number
  readonly log: Log
  /** Asks the plane to sign; answers the certificate in PEM. Rejects when the plane is away or refuses. */
  readonly requestCertificate: (csrPem: string) => Promise<string>
  /** Verifies a certificate that came as an answer. */
  readonly verify: (certificatePem: string) => Promise<Result<X509Certificate, string>>
  /** A new one is used only when it is kept. */
  readonly store: IntermediateStore
  /** Whether proxies here trust this certificate already. */
  readonly isTrusted: (certificate: X509Certificate) => boolean
  /** Fingerprint of the trusted root that a certificate names as its issuer; undefined = it is none of them. */
  readonly rootOf: (certificate: X509Certificate) => string | undefined
}

const minuteMilliseconds = 60_000
const retryMilliseconds = 2 * minuteMilliseconds
/** How long the proxies of the other clusters have to hear of a new intermediate before leaves come from it. */
const settlingMilliseconds = 5 * minuteMilliseconds
/** The plane tells of an intermediate when it signs it; who does not hear of it in this time is cut off, and the others are not. */
const longestSettlingMilliseconds = 60 * minuteMilliseconds

/** Of an intermediate's life; it is renewed at half. */
const overdueShare = 0.65
/** … and from here on its successor signs, whatever the plane has heard of who holds that: with an expired one nothing is signed at all. */
const lastResortShare = 0.95

interface Incoming {
  readonly material: IntermediateMaterial
  readonly issuer: LeafIssuer
  readonly receivedAt: number
  trustedSince: number | undefined
}

/** The cluster's certificate authority: which intermediate signs now, and its renewal at half of its life. */
export class Intermediate {
  readonly #options: IntermediateOptions
  #material: IntermediateMaterial
  #current: LeafIssuer
  #incoming: Incoming | undefined
  #renewAt: number
  #issuance: Issuance | undefined

  constructor(options: IntermediateOptions) {
    this.#options = options
    const { material, incoming } = options
    this.#material = material
    this.#current = toIssuer(material)
    this.#incoming = incoming && toIncoming(incoming, incoming.receivedAt)
    this.#renewAt = this.#toRenewAt(this.#current)
  }

  /** Who signs leaves now; undefined when its time is over. */
  get issuer(): LeafIssuer | undefined {
    const { notBefore, notAfter } = this.#current.certificate
    const now = this.#options.clock.now()
    return notBefore.getTime() <= now && now < notAfter.getTime() ? this.#current : undefined
  }

  /** `overdue`: it should have a successor by now. `expired`: nothing can be signed. */
  get state(): 'valid' | 'overdue' | 'expired' {
    if (!this.issuer) return 'expired'
    return this.#spentShare < overdueShare || this.#incoming ? 'valid' : 'overdue'
  }

  /** The one that is to sign next. */
  get incoming(): LeafIssuer | undefined {
    return this.#incoming?.issuer
  }

  /** What workloads' keys are to be. */
  get leafKey(): KeyAlgorithm {
    return this.#issuance?.leafKey ?? defaultKeyAlgorithm
  }

  /** Whether it is of another root than the one that signs: who knows this cluster's agent by the one may not know it by the other. */
  get isIncomingOfOtherRoot(): boolean {
    if (!this.#incoming) return false
    const { rootOf } = this.#options
    return rootOf(this.#incoming.issuer.certificate) !== rootOf(this.#current.certificate)
  }

  get #spentShare(): number {
    const { notBefore, notAfter } = this.#current.certificate
    return (this.#options.clock.now() - notBefore.getTime()) / (notAfter.getTime() - notBefore.getTime())
  }

  /**
   * What the plane says of which one is to sign; undefined = it says nothing. Returns when that wants something done, in milliseconds since the
   * epoch; `maintain` does it.
   */
  take(issuance: Issuance | undefined): number | undefined {
    const { clock, random } = this.#options
    const isOtherWish =
      issuance?.root !== this.#issuance?.root || issuance?.intermediateKey !== this.#issuance?.intermediateKey
    this.#issuance = issuance
    if (!issuance) return undefined
    const { incoming } = this
    const hasSuccessor = incoming !== undefined && !this.#isUnwanted(incoming)
    if (hasSuccessor) return this.#isSettled(incoming) ? clock.now() : undefined
    const isToBeRenewed = isOtherWish && this.#isUnwanted(this.#current)
    if (isToBeRenewed) this.#renewAt = Math.min(this.#renewAt, clock.now() + random() * issuance.withinSeconds * 1000)
    if (incoming) return clock.now()
    return isToBeRenewed ? this.#renewAt : undefined
  }

  #isUnwanted({ certificate }: LeafIssuer): boolean {
    if (!this.#issuance) return false
    const { root, intermediateKey } = this.#issuance
    const hasOtherKey =
      intermediateKey !== undefined && findKeyAlgorithm(certificate.publicKey.algorithm) !== intermediateKey
    return hasOtherKey || this.#options.rootOf(certificate) !== root
  }

  #isSettled({ certificate }: LeafIssuer): boolean {
    return this.#issuance?.settled.includes(toFingerprint(certificate)) ?? false
  }

  get notAfter(): number {
    return this.#current.certificate.notAfter.getTime()
  }

  get renewAt(): number {
    return this.#renewAt
  }

  /** Does what is due: asks for a successor, or lets it take over. */
  async maintain(): Promise<void> {
    await this.#follow()
    if (this.#incoming && this.#isUnwanted(this.#incoming.issuer)) {
      this.#options.log.info('the intermediate that waited is of a root, or has a key, that is not wanted any more')
      this.#incoming = undefined
      // It was asked for because of that, and is not to be asked for again.
      if (!this.#isUnwanted(this.#current)) this.#renewAt = this.#toRenewAt(this.#current)
      await this.#keepSigner()
    }
    if (this.#incoming) await this.takeOverIfDue()
    else if (this.#options.clock.now() >= this.#renewAt) await this.#renew()
  }

  async #renew(): Promise<void> {
    const { clock, cluster, log, requestCertificate, store, verify } = this.#options
    this.#renewAt = clock.now() + retryMilliseconds
    try {
      const keys = await generateKeyPair(true, this.#issuance?.intermediateKey)
      const certificatePem = await requestCertificate(await createIntermediateCsr(keys, cluster))
      const verdict = await verify(certificatePem)
      if (!verdict.ok) throw new Error(`the plane's answer is not usable: ${verdict.error}`)
      if (!(await isKeyOf(keys, verdict.value))) throw new Error("the plane's answer is for another key")
      const material = { certificatePem, privateKey: keys.privateKey }
      const receivedAt = clock.now()
      await store.save({ material: this.#material, incoming: { ...material, receivedAt } })
      log.info({ serial: verdict.value.serialNumber }, 'received a new intermediate')
      await this.#follow()
    } catch (error) {
      log.warn({ err: error, notAfter: new Date(this.notAfter).toISOString() }, 'could not renew the intermediate')
    }
  }

  /**
   * The new one signs when all others hold it: leaves that they do not trust yet would cut traffic. After a restart this comes before
   * anything is signed.
   */
  async takeOverIfDue(): Promise<void> {
    const incoming = this.#incoming
    if (!incoming || !(this.#issuance ? this.#mayTakeOver(incoming) : this.#hasWaited(incoming))) return
    this.#adopt({ material: incoming.material })
    await this.#keepSigner()
  }

  /** The plane says who holds it. */
  #mayTakeOver({ issuer }: Incoming): boolean {
    return this.#isSettled(issuer) || this.#spentShare >= lastResortShare
  }

  /** A plane that can't tell forgets the old one in two days. */
  #hasWaited(incoming: Incoming): boolean {
    const now = this.#options.clock.now()
    if (this.#options.isTrusted(incoming.issuer.certificate)) incoming.trustedSince ??= now
    const isSettled = incoming.trustedSince !== undefined && now >= incoming.trustedSince + settlingMilliseconds
    return isSettled || now >= incoming.receivedAt + longestSettlingMilliseconds
  }

  /** Uses what is kept, also when another replica of this cluster keeps it. What can't be read, or can't be right, changes nothing. */
  async #follow(): Promise<void> {
    const { log, store, verify } = this.#options
    try {
      const kept = await store.load()
      if (!kept || this.#isHeld(kept)) return
      if (this.#isBehind(kept)) return await this.#keepSigner()
      const verdict = await verify((kept.incoming ?? kept.material).certificatePem)
      if (verdict.ok) this.#adopt(kept)
      else log.error({ reason: verdict.error }, 'the intermediate that is kept for all replicas is not usable')
    } catch (error) {
      log.debug({ err: error }, 'could not see which intermediate the other replicas use')
    }
  }

  /** Both are kept already: without this the same happens again after a restart. */
  async #keepSigner(): Promise<void> {
    const { log, store } = this.#options
    try {
      await store.save({ material: this.#material })
    } catch (error) {
      log.warn({ err: error }, 'could not keep that the new intermediate signs')
    }
  }

  #isHeld({ material, incoming }: KeptIntermediates): boolean {
    return (
      material.certificatePem === this.#material.certificatePem &&
      incoming?.certificatePem === this.#incoming?.material.certificatePem
    )
  }

  /** Whether this is from before the intermediate that signs here did. */
  #isBehind({ incoming }: KeptIntermediates): boolean {
    return incoming?.certificatePem === this.#material.certificatePem
  }

  #adopt({ material, incoming }: KeptIntermediates): void {
    if (incoming?.certificatePem !== this.#incoming?.material.certificatePem)
      this.#incoming = incoming && toIncoming(incoming, incoming.receivedAt)
    if (material.certificatePem === this.#material.certificatePem) return
    this.#material = material
    this.#current = toIssuer(material)
    this.#renewAt = this.#toRenewAt(this.#current)
    this.#options.log.info({ serial: this.#current.certificate.serialNumber }, 'the new intermediate signs')
  }

  #toRenewAt({ certificate: { notBefore, notAfter } }: LeafIssuer): number {
    return toRenewalTime({ from: notBefore.getTime(), to: notAfter.getTime() }, this.#options.random)
  }
}

const toIssuer = ({ certificatePem, privateKey }: IntermediateMaterial): LeafIssuer => ({
  certificate: new X509Certificate(certificatePem),
  privateKey,
})

const toIncoming = (material: IntermediateMaterial, receivedAt: number): Incoming => ({
  material,
  issuer: toIssuer(material),
  receivedAt,
  trustedSince: undefined,
})

const isKeyOf = async (keys: webcrypto.CryptoKeyPair, certificate: X509Certificate): Promise<boolean> =>
  Buffer.from(await crypto.subtle.exportKey('spki', keys.publicKey)).equals(Buffer.from(certificate.publicKey.rawData))
