import type { DeliveryTracker } from './ads/delivery-tracker.ts'
import type { Clock } from './clock.ts'
import type { ProxyCredentials } from './credentials/proxy-credentials.ts'
import { judgeCluster } from './judge-cluster.ts'
import { listProblems } from './list-problems.ts'
import type { Log } from './log.ts'
import { ObjectStatuses } from './object-statuses.ts'
import type { JoinedPlatform } from './platform/cluster-platform.ts'
import { ProblemLog } from './problem-log.ts'
import type { ChangeFlow } from './programming/change-flow.ts'
import type { PublicationReporter } from './uplink/publication-reporter.ts'
import type { MeshViewStore } from '#mesh/mesh-view-store.ts'
import type { Judgement } from '#mesh/status/judge-objects.ts'

export interface ObjectOversightOptions {
  readonly platform: JoinedPlatform
  readonly credentials: ProxyCredentials
  readonly view: MeshViewStore
  readonly flow: ChangeFlow
  readonly delivery: DeliveryTracker
  readonly publications: PublicationReporter
  readonly clock: Clock
  readonly log: Log
  /** Whether the registry and the mesh are known: before, much would seem to be missing. */
  readonly isKnown: () => boolean
  /** What is wrong here with objects of the mesh. */
  readonly onMeshTroubles: (troubles: Judgement['meshTroubles']) => void
}

/** Follows what becomes of the configuration objects in this cluster: what is wrong, what holds, which Secrets they name. */
export class ObjectOversight {
  readonly #credentials: ProxyCredentials
  readonly #problems: ProblemLog
  readonly #statuses: ObjectStatuses
  #meshTroubles: Judgement['meshTroubles'] = []

  constructor(options: ObjectOversightOptions) {
    const { clock, log, platform, credentials, isKnown, onMeshTroubles } = options
    this.#credentials = credentials
    this.#problems = new ProblemLog(clock, log, () => listProblems(options))
    this.#statuses = new ObjectStatuses({
      elapsed: () => performance.now(),
      clock,
      judge: () => (isKnown() ? judgeCluster({ ...options, earlier: this.#meshTroubles }) : undefined),
      onJudgement: (judgement) => {
        this.#meshTroubles = judgement.meshTroubles
        platform.takeJudgement(judgement)
        onMeshTroubles(judgement.meshTroubles)
      },
    })
  }

  /** Something else may be so of objects now. Called as often as one likes. */
  changed(): void {
    this.#problems.changed()
    this.#statuses.changed()
    this.#credentials.namesChanged()
  }

  /** Only what is wrong may be something else. */
  problemsChanged(): void {
    this.#problems.changed()
  }

  get problemCount(): number {
    return this.#problems.count
  }

  stop(): void {
    this.#problems.stop()
    this.#statuses.stop()
  }
}
