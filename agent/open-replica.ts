import type { Clock } from './clock.ts'
import type { DataDirectory } from './data-directory.ts'
import type { Log } from './log.ts'
import { StateJournal } from './store/state-journal.ts'
import { PlaneReplica } from './uplink/plane-replica.ts'
import type { ClusterName } from '#mesh/names.ts'

export interface ReplicaParts {
  readonly cluster: ClusterName
  readonly data: DataDirectory
  readonly clock: Clock
  readonly log: Log
  readonly reportStoreProblem: (problem: string) => void
}

/** The plane's state as it was last known here, and the journal that keeps what becomes of it. */
export const openReplica = ({
  cluster,
  data,
  clock,
  log,
  reportStoreProblem,
}: ReplicaParts): { readonly replica: PlaneReplica; readonly journal: StateJournal } => {
  const { journal, state } = StateJournal.open({
    directory: data.path,
    key: data.key,
    clock,
    report: reportStoreProblem,
    current: () => replica,
  })
  const replica = new PlaneReplica({
    cluster,
    stored: state,
    suspicion: data.loadSuspicion(),
    saveSuspicion: (suspicion) => data.saveSuspicion(suspicion),
    now: () => clock.now(),
  })
  if (state) {
    const { position, revision, receivedAt } = state
    log.info(
      { position, revision, receivedAt: new Date(receivedAt).toISOString() },
      'the last known good state is here',
    )
  }
  return { replica, journal }
}
