import type { TrustReport } from '#mesh/trust.ts'
import { countAbsent } from '../delivery.ts'
import { listMembers } from '../clusters.ts'
import type { Sessions } from '../uplink/sessions.ts'
import type { Wait } from './rotation-row.ts'

/** What a replica of a cluster's agent said last. */
export interface Holder {
  readonly cluster: string
  readonly replica: string
  readonly report: TrustReport
}

/** Who holds what, as all agents say. */
export interface Holders {
  readonly said: readonly Holder[]
  /** Those of whom nobody knows it: the word of others does not stand for them. */
  readonly unknown: readonly Wait[]
  /** Proxies that run and are connected to no agent that says what they hold. */
  readonly absent: readonly Wait[]
}

/** All clusters of the mesh but those. */
export const readHolders = (sql: SqlStorage, sessions: Sessions, without: readonly string[] = []): Holders => {
  const connected = Map.groupBy(sessions.open(), ({ state }) => state.cluster)
  const said: Holder[] = []
  const unknown: Wait[] = []
  const absent: Wait[] = []
  for (const { name: cluster, lastSeenAt } of listMembers(sql)) {
    if (without.includes(cluster)) continue
    const open = connected.get(cluster) ?? []
    const wait = (code: Wait['code'], message: string) => unknown.push({ code, cluster, proxy: null, message })
    if (open.length === 0)
      wait('away', lastSeenAt === null ? 'its agent has never been connected' : 'its agent is not connected')
    for (const { state } of open) {
      const { replica, agentVersion, trust } = state
      if (!state.tellsTrust)
        wait(
          'too_old',
          `its agent ${replica} is of version ${agentVersion}, which is too old to say what its proxies hold`,
        )
      else if (!trust) wait('silent', `its agent ${replica} has not said yet what its proxies hold`)
      else said.push({ cluster, replica, report: trust })
    }
    const missing = countAbsent(open.flatMap(({ state }) => state.delivery ?? []))
    if (missing > 0)
      absent.push({
        code: 'behind',
        cluster,
        proxy: null,
        message: `${missing} of its proxies run and are connected to no agent (atoll proxies --cluster ${cluster})`,
      })
  }
  return { said, unknown, absent }
}

/** While roots change nobody is passed over: the version that all proxies of all clusters hold; undefined = there are some of whom that is not known. */
export const findHeldByAll = (holders: Holders): number | undefined =>
  holders.unknown.length > 0 || holders.absent.length > 0 ? undefined : findHeldBySaid(holders)

/** … of those clusters whose agents say so. */
const findHeldBySaid = ({ said }: Holders): number | undefined =>
  said.some(({ report }) => report.untrusted.length > 0)
    ? undefined
    : Math.min(...said.map(({ report }) => report.held))

const HOUR_MS = 60 * 60 * 1000
/** An intermediate that is renewed has half of its life left: those who can't say what they hold are waited for so long, … */
const UNKNOWN_PATIENCE_MS = HOUR_MS
/** … and those who say that they do not hold it so long. */
const PATIENCE_MS = 7 * 24 * HOUR_MS

/** Otherwise: the newest version by which an intermediate may sign that it brought, because all hold it or have had the time. A version is of its time. */
export const findRenewable = (holders: Holders, nowMs: number): number => {
  const byAll = findHeldByAll(holders)
  const bySaid = findHeldBySaid(holders) ?? 0
  return Math.max(byAll ?? 0, Math.min(bySaid, nowMs - UNKNOWN_PATIENCE_MS), nowMs - PATIENCE_MS)
}
