import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import { toSpiffeId, type WorkloadIdentity } from '#mesh/identity.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import type { ClusterName, TrustDomain } from '#mesh/names.ts'
import { toSubjectUnits, type PeerFacts } from '#mesh/telemetry/peer-facts.ts'
import { ResourceSet } from '#xds/resource-set.ts'
import { issueLeaf, toWorkloadNames, type Leaf, type LeafIssuer } from './issue-leaf.ts'
import { toRenewalTime } from './renewal-time.ts'
import { buildIdentitySecret } from './secret-resources.ts'

export interface WorkloadIdentitiesOptions {
  readonly cluster: ClusterName
  readonly trustDomain: TrustDomain
  readonly clock: Clock
  /** 0 to 1, 1 excluded. */
  readonly random: () => number
  readonly log: Log
  /** The intermediate that signs now; undefined = there is none that is valid. */
  readonly issuer: () => LeafIssuer | undefined
  /** What the keys of leaves are to be. */
  readonly keyAlgorithm: () => KeyAlgorithm
}

const retryMilliseconds = 5 * 60_000

interface Entry {
  readonly identity: WorkloadIdentity
  readonly units: readonly string[]
  readonly set: ResourceSet
  proxies: number
  leaf: Leaf | undefined
  /** Milliseconds since the epoch. */
  renewAt: number
  problem: string | undefined
  issuing: Promise<void> | undefined
}

/** What a proxy is given of its identity, until it is released. */
export interface HeldIdentity {
  /** With the leaf when that is `ready`. Empty when none can be issued: the proxy then waits for it. */
  readonly set: ResourceSet
  readonly ready: Promise<void>
  release(): void
}

/** A leaf per service account and what telemetry says of its workloads, shared by their proxies, for as long as one of them is connected. */
export class WorkloadIdentities {
  readonly #options: WorkloadIdentitiesOptions
  readonly #entries = new Map<string, Entry>()

  constructor(options: WorkloadIdentitiesOptions) {
    this.#options = options
  }

  acquire(identity: WorkloadIdentity, facts: PeerFacts): HeldIdentity {
    const units = toSubjectUnits(facts)
    const id = toSpiffeId(this.#options.trustDomain, identity)
    const key = JSON.stringify([id, units])
    let entry = this.#entries.get(key)
    if (!entry) {
      const set = new ResourceSet(`identity ${id} ${facts.workload}`)
      entry = { identity, units, set, proxies: 0, leaf: undefined, renewAt: 0, problem: undefined, issuing: undefined }
      this.#entries.set(key, entry)
    }
    const held = entry
    held.proxies++
    return {
      set: held.set,
      ready: held.leaf ? Promise.resolve() : this.#issue(held),
      release: () => {
        if (--held.proxies <= 0) this.#entries.delete(key)
      },
    }
  }

  /**
   * Renews the leaves that have come to half of their life, those of another intermediate than the one that signs now, and those with another key
   * than they are to have. Returns whether any changed.
   */
  async renewDue(): Promise<boolean> {
    const now = this.#options.clock.now()
    const due = [...this.#entries.values()].filter((entry) => this.#isDue(entry, now))
    for (const entry of due) await this.#issue(entry)
    return due.length > 0
  }

  #isDue(entry: Entry, now: number): boolean {
    const { leaf, renewAt } = entry
    const hasOtherKey = leaf !== undefined && leaf.keyAlgorithm !== this.#options.keyAlgorithm()
    return renewAt <= now || hasOtherKey || this.#isOfAnother(entry)
  }

  /** Whether all leaves are of the intermediate that signs now. */
  get areOfOneIssuer(): boolean {
    return ![...this.#entries.values()].some((entry) => this.#isOfAnother(entry))
  }

  #isOfAnother({ leaf }: Entry): boolean {
    const issuer = this.#options.issuer()
    return issuer !== undefined && leaf !== undefined && !leaf.issuer.equal(issuer.certificate)
  }

  get leaves(): Leaf[] {
    return [...this.#entries.values()].flatMap(({ leaf }) => leaf ?? [])
  }

  /** Accounts that can't have a certificate, with the reason. */
  get problems(): { readonly spiffeId: string; readonly problem: string }[] {
    return [...this.#entries.values()].flatMap(({ identity, problem }) =>
      problem === undefined ? [] : [{ spiffeId: toSpiffeId(this.#options.trustDomain, identity), problem }],
    )
  }

  #issue(entry: Entry): Promise<void> {
    entry.issuing ??= this.#issueNow(entry).finally(() => {
      entry.issuing = undefined
    })
    return entry.issuing
  }

  async #issueNow(entry: Entry): Promise<void> {
    const { cluster, trustDomain, clock, random, log, issuer: findIssuer, keyAlgorithm } = this.#options
    const names = toWorkloadNames(entry.identity, cluster, trustDomain, entry.units)
    const issuer = findIssuer()
    entry.problem = 'problem' in names ? names.problem : issuer ? undefined : "the cluster's intermediate is not valid"
    if ('problem' in names || !issuer) {
      entry.renewAt = clock.now() + retryMilliseconds
      log.error({ ...entry.identity, problem: entry.problem }, 'could not issue a workload certificate')
      return
    }
    const leaf = await issueLeaf(issuer, names, clock.now(), keyAlgorithm())
    entry.leaf = leaf
    entry.renewAt = toRenewalTime({ from: leaf.issuedAt, to: leaf.notAfter }, random)
    entry.set.apply([buildIdentitySecret(leaf)])
    log.info(
      { ...entry.identity, serial: leaf.serial, notAfter: new Date(leaf.notAfter).toISOString() },
      'issued a workload certificate',
    )
  }
}
