import type { Clock } from './clock.ts'
import type { ProxyCredentials } from './credentials/proxy-credentials.ts'
import type { OutsideSources } from './outside/outside-sources.ts'
import { judgeCluster } from './judge-cluster.ts'
import { listProblems, type ProblemSources } from './list-problems.ts'
import type { Log } from './log.ts'
import { ObjectStatuses } from './object-statuses.ts'
import type { JoinedPlatform } from './platform/cluster-platform.ts'
import { ProblemLog } from './problem-log.ts'
import type { ChangeFlow } from './programming/change-flow.ts'
import type { MeshViewStore } from '#mesh/mesh-view-store.ts'
import type { Judgement } from '#mesh/status/judge-objects.ts'

export interface ObjectOversightOptions extends ProblemSources {
  readonly platform: ProblemSources['platform'] & Pick<JoinedPlatform, 'takeJudgement'>
  readonly credentials: ProblemSources['credentials'] & Pick<ProxyCredentials, 'undecided' | 'namesChanged' | 'settle'>
  readonly outside: ProblemSources['outside'] & Pick<OutsideSources, 'namesChanged'>
  readonly view: MeshViewStore
  readonly flow: ProblemSources['flow'] & Pick<ChangeFlow, 'revision'>
  readonly clock: Clock
  readonly log: Log
  /** Whether the registry and the mesh are known: before, much would seem to be missing. */
  readonly isKnown: () => boolean
  /** What is wrong here with objects of the mesh, and the newest revision at which it was all found out: of what is undecided the earlier is told. */
  readonly onMeshTroubles: (troubles: Judgement['meshTroubles'], revision: number) => void
}

/** Follows what becomes of the configuration objects in this cluster: what is wrong, what holds, which Secrets they name. */
export class ObjectOversight {
  readonly #credentials: Pick<ProxyCredentials, 'namesChanged'>
  readonly #outside: Pick<OutsideSources, 'namesChanged'>
  readonly #problems: ProblemLog
  readonly #statuses: ObjectStatuses
  #meshTroubles: Judgement['meshTroubles'] = []
  /** When nothing was undecided for the last time. */
  #decidedRevision = 0

  constructor(options: ObjectOversightOptions) {
    const { clock, log, platform, credentials, flow, isKnown, onMeshTroubles } = options
    this.#credentials = credentials
    this.#outside = options.outside
    this.#problems = new ProblemLog(clock, log, () => listProblems(options))
    this.#statuses = new ObjectStatuses({
      elapsed: () => performance.now(),
      clock,
      judge: () => {
        if (!isKnown()) return undefined
        // What was named a moment ago may be of an earlier revision than the view.
        credentials.settle()
        return judgeCluster({ ...options, earlier: this.#meshTroubles })
      },
      onJudgement: (judgement) => {
        this.#meshTroubles = judgement.meshTroubles
        const isDecided = judgement.undecided.size === 0
        // A plane that was restored begins again at a lower revision.
        this.#decidedRevision = isDecided ? flow.revision : Math.min(this.#decidedRevision, flow.revision)
        platform.takeJudgement(judgement)
        onMeshTroubles(judgement.meshTroubles, this.#decidedRevision)
      },
    })
  }

  /** Something else may be so of objects now. Called as often as one likes. */
  changed(): void {
    this.#problems.changed()
    this.#statuses.changed()
    this.#credentials.namesChanged()
    this.#outside.namesChanged()
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
