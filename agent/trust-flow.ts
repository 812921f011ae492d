import type { AdsServer } from './ads/ads-server.ts'
import { RootProof } from './ads/root-proof.ts'
import type { Clock } from './clock.ts'
import type { ClusterIdentity } from './identity/cluster-identity.ts'
import type { JoinedRecord } from './join/agent-record.ts'
import { issuanceOf, trustOf } from './join/known-mesh.ts'
import type { Log } from './log.ts'
import type { JoinedPlatform } from './platform/cluster-platform.ts'
import type { StateStep } from './store/stored-state.ts'
import { stateKeys, type StateItem } from '#mesh/state.ts'
import { TRUST_REPORT_NAMES, type Issuance, type TrustReport, type TrustState } from '#mesh/trust.ts'

export interface TrustFlowOptions {
  readonly membership: JoinedRecord['membership']
  readonly identity: ClusterIdentity
  readonly ads: AdsServer
  readonly platform: Pick<JoinedPlatform, 'updateRoots' | 'rootsTakeMilliseconds' | 'machines'>
  readonly clock: Clock
  readonly log: Log
  /** The secrets are made of this trust now: it may be compiled by. */
  readonly onTrust: (trust: TrustState) => void
  /** What `report` says may have changed. */
  readonly onReport: () => void
}

/** The way of what the plane says of trust: verified, into the secrets, out to the proxies, and back to the plane who holds it. */
export class TrustFlow {
  readonly #options: TrustFlowOptions
  readonly #proof: RootProof
  /** Trust is verified before anything is done by it, one state after the other. */
  #inOrder: Promise<void> = Promise.resolve()

  constructor(options: TrustFlowOptions) {
    this.#options = options
    const { identity, ads, platform, clock, log, onReport } = options
    this.#proof = new RootProof({
      clock,
      log,
      settleMilliseconds: platform.rootsTakeMilliseconds,
      candidate: () => {
        const { incoming, isIncomingOfOtherRoot } = identity.secretsState()
        return (isIncomingOfOtherRoot ? incoming : null) ?? undefined
      },
      show: (isCandidate) => identity.showIncoming(isCandidate),
      reconnect: () => {
        platform.machines.reconnecting()
        ads.reconnect()
      },
      connections: () => ads.connectedSince(),
      onChange: onReport,
    })
  }

  /** With what the plane said before. */
  start(state: ReadonlyMap<string, StateItem>): void {
    this.#takeIssuance(issuanceOf(this.#options.membership, state))
    this.secretsChanged()
  }

  /** The plane's state is this now; `step` says what has changed. */
  takeStep({ items }: Pick<StateStep, 'items'>, state: ReadonlyMap<string, StateItem>): void {
    const { membership } = this.#options
    if (items.some(({ key }) => key === stateKeys.trust())) this.#take(trustOf(membership, state))
    if (items.some(({ key }) => key === stateKeys.issuance(membership.cluster)))
      this.#takeIssuance(issuanceOf(membership, state))
  }

  #take(trust: TrustState): void {
    const { identity, platform, onTrust } = this.#options
    this.#enqueue(async () => {
      await identity.updateTrust(trust)
      platform.updateRoots(trust.roots)
      onTrust(trust)
      this.secretsChanged()
    })
  }

  /** After the trust that came with it: that may have the root that it names. */
  #takeIssuance(issuance: Issuance | undefined): void {
    this.#enqueue(async () => this.#options.identity.updateIssuance(issuance))
  }

  /** Secrets have changed by themselves. */
  secretsChanged(): void {
    const { identity, ads, onReport, log } = this.#options
    const { version, signer, areLeavesOfSigner } = identity.secretsState()
    ads.pushTrust({ version, leavesOf: areLeavesOfSigner ? signer : null })
    this.#proof
      .changed()
      .catch((error: unknown) => log.error({ err: error }, "could not change the agent's certificate"))
    onReport()
  }

  report(): TrustReport {
    const { identity, ads } = this.#options
    const { version, untrusted, signer, incoming } = identity.secretsState()
    const proxies = ads.trust.summary()
    const unproven = this.#proof.unproven()
    const untried = unproven.map((proxy) => ({
      proxy,
      waitingFor: 'its coming back with the new root: it may need its bootstrap written again (atoll bootstrap)',
    }))
    return {
      ...proxies,
      version,
      untrusted: untrusted
        .slice(0, TRUST_REPORT_NAMES)
        .map(({ cluster, reason }) => ({ cluster, reason: reason.slice(0, 256) })),
      signer,
      incoming,
      unproven: unproven.length,
      laggards: [...proxies.laggards, ...untried].slice(0, TRUST_REPORT_NAMES),
    }
  }

  stop(): void {
    this.#proof.stop()
  }

  #enqueue(task: () => Promise<void>): void {
    this.#inOrder = this.#inOrder
      .then(task)
      .catch((error: unknown) =>
        this.#options.log.error({ err: error }, 'could not take over what the plane says of trust'),
      )
  }
}
