import { stateKeys, type StateChange } from '#mesh/state.ts'
import { findMember, toInterest } from '../clusters.ts'
import type { MeshContext } from '../context.ts'
import { findMeshRow } from '../mesh-row.ts'
import type { MeshRow } from '../mesh-row.ts'
import { countChangedChars, readChanges, readSharedChanges } from '../state-log.ts'
import type { Interest } from '../state-log.ts'
import { withoutMeshLimits } from '../limits/without-mesh-limits.ts'
import { toChangeMessages } from './change-messages.ts'
import { sendText } from './session.ts'
import type { Open, Session } from './session.ts'
import type { Sessions } from './sessions.ts'

/**
 * A change goes out at once when the last one was long enough ago, and with all others of that time otherwise: the longer, the more
 * there are to be told.
 */
const COALESCE_MS_PER_SESSION = 0.25
const MAX_COALESCE_MS = 50
/** Batches that a session may have on the way. One that has more gets all it missed in one, when it acknowledges. */
const MAX_UNACKNOWLEDGED = 4
/**
 * A batch beyond `batchChars` is large, and of those `onTheWayChars` may be on the way together, or one: what is sent and not yet taken
 * lies in the object's memory.
 */
export const bulkLimits = { batchChars: 256 * 1024, onTheWayChars: 32 * 1024 * 1024 }

/** An agent that does not know a role, or a kind, would refuse the whole batch, and one that knows no groups take their tokens for plain ones. */
function* withoutUnknown(changes: Iterable<string>, agent: Open): Generator<string> {
  for (const change of changes)
    if (!isUnknownToken(change, agent) && !isUnknownIssuance(change, agent))
      yield agent.takesLeases ? change : withoutMeshLimits(change)
}

const isUnknownIssuance = (change: string, { tellsTrust }: Open): boolean =>
  !tellsTrust && change.startsWith(`{"key":"${stateKeys.issuance('')}`)

/** Of a change's text; of all that are no tokens it is seen by their beginning. */
const isUnknownToken = (change: string, { knowsGateways, knowsGroups }: Open): boolean => {
  if (!change.startsWith(`{"key":"${stateKeys.machineToken('')}`)) return false
  const { item } = JSON.parse(change) as StateChange
  if (item?.kind !== 'machine-token') return false
  return (item.value.role === 'gateway' && !knowsGateways) || (item.value.group === true && !knowsGroups)
}

interface KnownInterest {
  readonly interest: Interest
  readonly since: number
}

/**
 * Tells the agents what has changed. There is no queue: a session's place in the log says what it has yet to hear, also after the
 * object has slept or crashed.
 */
export class FanOut {
  readonly #context: MeshContext
  readonly #sessions: Sessions
  readonly #limits: typeof bulkLimits
  readonly #interests = new Map<string, KnownInterest>()
  #flushedAt = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(context: MeshContext, sessions: Sessions, limits = bulkLimits) {
    this.#context = context
    this.#sessions = sessions
    this.#limits = limits
  }

  /** Something was committed, or a session can take more. */
  wake(): void {
    if (this.#timer !== undefined) return
    const tickMs = Math.min(MAX_COALESCE_MS, this.#sessions.size * COALESCE_MS_PER_SESSION)
    const waitMs = this.#flushedAt + tickMs - this.#context.now()
    // More than a tick: the clock was set back.
    if (waitMs <= 0 || waitMs > tickMs) {
      this.#flush()
      return
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#flush()
    }, waitMs)
  }

  /** What a cluster may see has changed. */
  forgetInterest(cluster: string): void {
    this.#interests.delete(cluster)
  }

  acknowledge(session: Session, sequence: number): void {
    const unacknowledged = session.state.unacknowledged.filter((position) => position > sequence)
    const changes: Partial<Open> = unacknowledged.length === 0 ? { unacknowledged, bulkChars: 0 } : { unacknowledged }
    this.#sessions.update(session, { ...changes, unacknowledgedSince: this.#context.now() })
    this.wake()
  }

  #flush(): void {
    const mesh = findMeshRow(this.#context.sql)
    // A timer may come after the mesh was deleted.
    if (!mesh) return
    const behind = this.#sessions
      .open()
      .filter(({ state }) => state.sent < mesh.sequence && state.unacknowledged.length < MAX_UNACKNOWLEDGED)
    if (behind.length === 0) return
    this.#flushedAt = this.#context.now()
    const places = Map.groupBy(behind, ({ state }) => this.#placeOf(state))
    for (const [since, sessions] of places) this.#catchUp(mesh, since, sessions)
  }

  /** Where a session stands; back at the beginning when what it may see has changed wholly. */
  #placeOf({ cluster, sent }: Open): number {
    const known = this.#interestOf(cluster)
    return known && sent >= known.since ? sent : 0
  }

  #catchUp(mesh: MeshRow, since: number, sessions: readonly Session[]): void {
    const { sql } = this.#context
    const chars = countChangedChars(sql, since)
    const shared = chars > this.#limits.batchChars ? undefined : readSharedChanges(sql, since)
    for (const session of sessions) {
      const interest = this.#interestOf(session.state.cluster)?.interest
      if (!interest) continue
      if (shared) this.#send(mesh, since, session, shared(interest), 0)
      else if (this.#hasRoomFor(chars)) this.#send(mesh, since, session, readChanges(sql, since, interest), chars)
    }
  }

  #hasRoomFor(chars: number): boolean {
    const onTheWay = this.#sessions.open().reduce((sum, { state }) => sum + state.bulkChars, 0)
    return onTheWay === 0 || onTheWay + chars <= this.#limits.onTheWayChars
  }

  #send(mesh: MeshRow, since: number, session: Session, changes: Iterable<string>, bulkChars: number): void {
    const { epoch, sequence, revision } = mesh
    const mode = since === 0 ? 'snapshot' : 'delta'
    let messages = 0
    const { knowsGateways, knowsGroups, tellsTrust, takesLeases } = session.state
    const told =
      knowsGateways && knowsGroups && tellsTrust && takesLeases ? changes : withoutUnknown(changes, session.state)
    for (const text of toChangeMessages({ mode, position: { epoch, sequence }, revision }, told)) {
      sendText(session.socket, text)
      messages += 1
    }
    const { state } = session
    if (messages === 0) {
      this.#sessions.update(session, { sent: sequence })
      return
    }
    this.#sessions.update(session, {
      sent: sequence,
      unacknowledged: [...state.unacknowledged, sequence],
      unacknowledgedSince: state.unacknowledged.length === 0 ? this.#context.now() : state.unacknowledgedSince,
      bulkChars: state.bulkChars + bulkChars,
    })
  }

  #interestOf(cluster: string): KnownInterest | undefined {
    const known = this.#interests.get(cluster)
    if (known) return known
    const row = findMember(this.#context.sql, cluster)
    if (!row) return undefined
    const found = { interest: toInterest(row), since: row.interestSince }
    this.#interests.set(cluster, found)
    return found
  }
}
