import { parseSpiffeId } from '../identity.ts'
import { parsePeerSubject, unknownFact, type PeerFacts } from './peer-facts.ts'

/** One side of a call, as telemetry tells it. */
export interface Party extends PeerFacts {
  readonly namespace: string
  readonly cluster: string
  /** Its SPIFFE ID; `unknown` when it showed none. */
  readonly principal: string
}

/** Who has shown no certificate. */
export const unknownParty: Party = {
  workload: unknownFact,
  namespace: unknownFact,
  cluster: unknownFact,
  principal: unknownFact,
  canonicalService: unknownFact,
  canonicalRevision: unknownFact,
  app: unknownFact,
  version: unknownFact,
}

/** What Envoy tells of a peer's certificate: each empty, or "-", without one. Of several names commas are between. */
export interface PeerCertificate {
  readonly subject: string
  /** Of a server, behind the verdict of the proxy that calls it. */
  readonly uriNames: string
  readonly dnsNames: string
}

/** "<sa>.<ns>.<cluster>.clusters.<trust domain>" (docs/decisions/0003). */
const clusterInName = /(?:^|[.,])([^.,]+)\.clusters\.([^,]+)/

/**
 * What a caller's proxy tells before the names of a server that it has verified as one of the mesh, with `verdictEnd` behind it. Envoy tells any
 * server's names, also of one that nobody has verified or that another authority has: what these say of themselves is nothing.
 */
export const verifiedByMesh = 'mesh'

/** Always there, so that no name can stand in the verdict's place where that is empty. */
export const verdictEnd = '|'

const toVerifiedNames = (uriNames: string): string => {
  const verified = `${verifiedByMesh}${verdictEnd}`
  return uriNames.startsWith(verified) ? uriNames.slice(verified.length) : ''
}

/**
 * The peer of a connection of somebody of the mesh. What its certificate does not say is `unknown`: one of an external issuer has no cluster, and so no
 * facts, which clusters alone sign. Who is of another trust domain is nobody of the mesh.
 */
const parseParty = ({ subject, uriNames, dnsNames }: PeerCertificate, own: Party): Party => {
  const [principal = ''] = uriNames.split(',', 1)
  const identity = parseSpiffeId(principal)
  const domain = parseSpiffeId(own.principal)?.trustDomain
  if (!identity || identity.trustDomain !== domain) return unknownParty
  const cluster = toCluster(dnsNames, domain)
  const facts = cluster === unknownFact ? undefined : parsePeerSubject(subject)
  return { ...unknownParty, ...facts, namespace: identity.namespace, principal, cluster }
}

const toCluster = (dnsNames: string, domain: string): string => {
  const [, cluster = unknownFact, of] = clusterInName.exec(dnsNames) ?? []
  return of === domain ? cluster : unknownFact
}

type Side = 'source' | 'destination'
type PartyLabel<Of extends Side> =
  | `${Of}_workload`
  | `${Of}_workload_namespace`
  | `${Of}_cluster`
  | `${Of}_principal`
  | `${Of}_canonical_service`
  | `${Of}_canonical_revision`
  | `${Of}_app`
  | `${Of}_version`

/** As labels of Istio's standard metrics, and fields of records. */
export const toPartyLabels = <Of extends Side>(side: Of, party: Party): Readonly<Record<PartyLabel<Of>, string>> =>
  ({
    [`${side}_workload`]: party.workload,
    [`${side}_workload_namespace`]: party.namespace,
    [`${side}_cluster`]: party.cluster,
    [`${side}_principal`]: party.principal,
    [`${side}_canonical_service`]: party.canonicalService,
    [`${side}_canonical_revision`]: party.canonicalRevision,
    [`${side}_app`]: party.app,
    [`${side}_version`]: party.version,
  }) as Readonly<Record<PartyLabel<Of>, string>>

/** Both sides of a call, as the proxy of one of them tells it. */
export interface CallSides {
  readonly labels: Readonly<Record<PartyLabel<'source' | 'destination'>, string>>
  /** Undefined: the side that calls can't say it (Istio reference: Istio standard metrics, connection_security_policy). */
  readonly securityPolicy: 'mutual_tls' | 'none' | undefined
}

/** `own` is who tells it, `isSource` whether that is who calls. Who speaks plaintext has shown no identity to the other side either. */
export const toSides = (certificate: PeerCertificate, own: Party, isSource: boolean): CallSides => {
  const uriNames = isSource ? toVerifiedNames(certificate.uriNames) : certificate.uriNames
  const peer = parseParty({ ...certificate, uriNames }, own)
  const isMutual = peer.principal !== unknownFact
  const self = isMutual ? own : { ...own, principal: unknownFact }
  return {
    labels: {
      ...toPartyLabels('source', isSource ? self : peer),
      ...toPartyLabels('destination', isSource ? peer : self),
    },
    securityPolicy: isSource ? undefined : isMutual ? 'mutual_tls' : 'none',
  }
}
