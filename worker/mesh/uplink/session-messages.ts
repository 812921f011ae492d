import { ok } from '#mesh/result.ts'
import type { AgentMessage, ReportPosition } from '#mesh/uplink.ts'
import { sha256Hex } from '../../secret-token.ts'
import { storeAgentHolds } from '../agent-holds.ts'
import { isFloodedBy, writeAudit } from '../audit.ts'
import { countAllIssuedSince, countIssuedSince, findCurrentByRequest } from '../certificates.ts'
import { findMember } from '../clusters.ts'
import type { ClusterRow } from '../clusters.ts'
import type { MeshContext } from '../context.ts'
import type { LabelKeys } from '../label-keys.ts'
import type { LeaseDesk } from '../limits/lease-desk.ts'
import { readMeshRow } from '../mesh-row.ts'
import { storeJudgedRevision, storeObjectProblems } from '../object-problems.ts'
import { storeProbes } from '../probes.ts'
import { takeCandidates, beginPublishing } from '../publishing/candidates.ts'
import { takeReport } from '../report.ts'
import { refuse } from '../refusal.ts'
import { storeSigner } from '../signers.ts'
import type { Outcome } from '../refusal.ts'
import { listRootPems } from '../roots.ts'
import type { issueIntermediate } from '../trust.ts'
import type { IssueRequest } from '../trust.ts'
import type { AgentQueries } from './agent-queries.ts'
import type { FanOut } from './fan-out.ts'
import type { UplinkRefusal } from './hello.ts'
import { tellPublications } from './publish-messages.ts'
import { sendMessage, trimDelivery, trimTrust } from './session.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'
import { toAgentInitiator } from './uplink-server.ts'
import type { HandleMessage } from './uplink-server.ts'

type Of<Type extends AgentMessage['type']> = Extract<AgentMessage, { type: Type }>

const HOUR_MS = 60 * 60 * 1000
/** Of one cluster: its replicas together renew once in 45 days. */
const MAX_CERTIFICATES_PER_HOUR = 10
const MINUTE_MS = 60 * 1000
/** Of all clusters together, what comes with joining included: the rest is asked for again. */
const MAX_CERTIFICATES_PER_MINUTE = 60

export interface MessageParts {
  readonly context: MeshContext
  readonly sessions: Sessions
  readonly fanOut: FanOut
  readonly queries: AgentQueries
  /** Issues one certificate after the other. */
  readonly issue: (request: IssueRequest) => ReturnType<typeof issueIntermediate>
  readonly onDelivery: () => void
  /** Something else may be so of who holds which trust. */
  readonly onTrust: () => void
  /** What clusters ask to have published has changed. */
  readonly onPublish: () => void
  readonly labelKeys: () => LabelKeys
  readonly leases: Pick<LeaseDesk, 'lease'>
}

/** What each message of an established session does. A refusal that is answered ends the session. */
export const toMessageHandler =
  (parts: MessageParts): HandleMessage =>
  async (session, message) => {
    const cluster = findMember(parts.context.sql, session.state.cluster)
    if (!cluster) return { code: 'evicted', message: 'the cluster is out of the mesh' }
    switch (message.type) {
      case 'ack':
        return acknowledge(parts, session, message)
      case 'claim':
        return claim(parts, session, cluster, message)
      case 'report':
        return report(parts, session, cluster, message)
      case 'publish':
        return publish(parts, session, cluster, message)
      case 'delivery':
        parts.sessions.update(session, { delivery: trimDelivery(message.delivery) })
        parts.onDelivery()
        return
      case 'holds':
        parts.context.transaction(() =>
          storeAgentHolds(parts.context.sql, cluster.name, session.state.replica, message.holds),
        )
        parts.onDelivery()
        return
      case 'probes':
        parts.context.transaction(() => storeProbes(parts.context.sql, cluster.name, message))
        return
      case 'object-problems':
        // Another replica may have become the reporter while this was on its way.
        if (session.state.reporting)
          parts.context.transaction(() => storeObjectProblems(parts.context.sql, cluster.name, message))
        return
      case 'objects-judged':
        if (session.state.reporting)
          parts.context.transaction(() => storeJudgedRevision(parts.context.sql, cluster.name, message.revision))
        return
      case 'trust':
        parts.sessions.update(session, { trust: trimTrust(message.report) })
        parts.context.transaction(() =>
          storeSigner(parts.context.sql, cluster.name, session.state.replica, message.report),
        )
        parts.onTrust()
        return
      case 'lease':
        sendMessage(
          session.socket,
          parts.context.transaction(() =>
            parts.leases.lease({ session: session.state.id, cluster: cluster.name }, message.asks),
          ),
        )
        return
      case 'csr':
        return renew(parts, session, cluster, message)
      case 'answer':
        parts.queries.receive(session.socket, message)
        return
    }
  }

/** What would leave one more event of a cluster that has left too many: docs/limits.md. */
const flooded: UplinkRefusal = {
  code: 'rate_limited',
  message: 'the agents of this cluster have filled the audit log for an hour',
}

const acknowledge = ({ context, fanOut }: MessageParts, session: Session, { position }: Of<'ack'>): void => {
  if (position.epoch === readMeshRow(context.sql).epoch) fanOut.acknowledge(session, position.sequence)
}

const claim = (
  parts: MessageParts,
  session: Session,
  cluster: ClusterRow,
  { term }: Of<'claim'>,
): UplinkRefusal | void => {
  const { context, sessions } = parts
  const { replica } = session.state
  const granted = term > cluster.term || (term === cluster.term && replica === cluster.reporter)
  if (granted && replica !== cluster.reporter && isFloodedBy(context, cluster.name)) return flooded
  let published: ReportPosition | null = null
  if (granted) {
    for (const other of sessions.ofCluster(cluster.name)) sessions.update(other, { reporting: false })
    sessions.update(session, { reporting: true })
    context.transaction(() => {
      context.sql.exec(
        'UPDATE clusters SET term = ?, reporter = ?, vacant_ms = NULL WHERE name = ?',
        term,
        replica,
        cluster.name,
      )
      published = beginPublishing(context.sql, cluster)
      if (replica === cluster.reporter) return
      writeAudit(context, toAgentInitiator(session), {
        action: 'cluster.report',
        target: cluster.name,
        cluster: cluster.name,
        detail: { term, replica },
      })
    })
  }
  sendMessage(session.socket, {
    type: 'claimed',
    term: granted ? term : cluster.term,
    granted,
    reported: cluster.reported,
    published,
  })
  if (granted) tellPublications(context.sql, sessions.reporterOf(cluster.name))
}

/** Whether a message of the reporter is one: of this session, under the term that counts. Otherwise it is told so. */
const isReporter = ({ socket, state }: Session, cluster: ClusterRow, term: number): boolean => {
  if (state.reporting && term === cluster.term && state.replica === cluster.reporter) return true
  sendMessage(socket, { type: 'refused', code: 'stale_term', message: `the term is ${cluster.term}` })
  return false
}

const report = (
  { context, fanOut, labelKeys }: MessageParts,
  session: Session,
  cluster: ClusterRow,
  message: Of<'report'>,
): UplinkRefusal | void => {
  if (!isReporter(session, cluster, message.term)) return
  const initiator = toAgentInitiator(session)
  const outcome = context.transaction(() =>
    takeReport(context, cluster, { id: session.state.id, initiator }, message, labelKeys()),
  )
  const { position } = message
  switch (outcome.kind) {
    case 'partial':
      return
    case 'refused':
      return { code: outcome.code, message: outcome.message }
    case 'held':
      sendMessage(session.socket, { type: 'report-held', position, hold: outcome.hold, reason: outcome.reason })
      return
    case 'committed':
      fanOut.forgetInterest(cluster.name)
      sendMessage(session.socket, { type: 'report-ack', position })
      fanOut.wake()
  }
}

const publish = (
  { context, onPublish }: MessageParts,
  session: Session,
  cluster: ClusterRow,
  message: Of<'publish'>,
): UplinkRefusal | void => {
  if (!isReporter(session, cluster, message.term)) return
  // It may come to a hold.
  if (isFloodedBy(context, cluster.name)) return flooded
  const outcome = context.transaction(() => takeCandidates(context, cluster, message, toAgentInitiator(session)))
  if (outcome === 'partial') return
  sendMessage(session.socket, { type: 'publish-ack', position: message.position })
  onPublish()
}

const renew = async (
  parts: MessageParts,
  session: Session,
  cluster: ClusterRow,
  { request, csrPem }: Of<'csr'>,
): Promise<void> => {
  const { context, fanOut, onTrust } = parts
  const { socket } = session
  const refuseRequest = (code: UplinkRefusal['code'], message: string, retryAfterSeconds?: number) =>
    sendMessage(socket, {
      type: 'refused',
      code,
      message,
      request,
      ...(retryAfterSeconds ? { retryAfterSeconds } : {}),
    })
  const answered = await renewOnce(parts, session, cluster, csrPem)
  if (answered === 'rate_limited')
    return refuseRequest('rate_limited', 'too many certificates in an hour', HOUR_MS / 1000)
  if (answered === 'busy') return refuseRequest('rate_limited', 'too many certificates in a minute', MINUTE_MS / 1000)
  if (!answered.ok) return refuseRequest('csr_refused', answered.error.detail)
  const { certificatePem } = answered.value
  sendMessage(socket, { type: 'issued', request, certificatePem, rootsPem: listRootPems(context.sql) })
  fanOut.wake()
  onTrust()
}

/** A request that is repeated because its answer was lost is answered as before, until half of the certificate's life is over. */
const renewOnce = async (
  { context, issue }: MessageParts,
  session: Session,
  { name: cluster, identityKey }: ClusterRow,
  csrPem: string,
): Promise<Outcome<{ readonly certificatePem: string }> | 'rate_limited' | 'busy'> => {
  const { sql, now } = context
  const requestHash = await sha256Hex(csrPem.trim())
  const current = findCurrentByRequest(sql, cluster, requestHash)
  if (current && now() < (current.notBeforeMs + current.notAfterMs) / 2) {
    return ok({ certificatePem: current.pem })
  }
  if (countIssuedSince(sql, cluster, now() - HOUR_MS) >= MAX_CERTIFICATES_PER_HOUR) return 'rate_limited'
  if (countAllIssuedSince(sql, now() - MINUTE_MS) >= MAX_CERTIFICATES_PER_MINUTE) return 'busy'
  const { meshName, trustDomain } = readMeshRow(sql).settings
  return issue({
    identity: { mesh: meshName, trustDomain, cluster },
    csrPem,
    requestHash,
    waits: session.state.tellsTrust === true,
    initiator: toAgentInitiator(session),
    // Others may have come first: the cluster may be out of the mesh by now, or have another identity than this agent's.
    reserve: () =>
      findMember(sql, cluster)?.identityKey === identityKey
        ? ok(null)
        : refuse('csr_refused', 'the cluster has another identity now, or is out of the mesh'),
  })
}
