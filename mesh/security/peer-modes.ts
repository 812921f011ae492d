import type { Configured, Origin, Sourced } from '../config-object.ts'
import type { MutualTlsMode, PeerAuthenticationSpec } from '../config/peer-authentication.ts'
import { isForWholeNamespace } from '../config/schema/policy-target.ts'
import { selectsPlace } from '../selects-place.ts'
import type { Place } from '../topology.ts'
import type { MeshView } from '../view.ts'

type Policy = Sourced<PeerAuthenticationSpec>

/** How a port takes connections, and the PeerAuthentication that says it; absent: the mesh's setting does. */
export interface PeerMode {
  readonly mode: Exclude<MutualTlsMode, 'UNSET'>
  readonly by?: Configured<PeerAuthenticationSpec>
}

export interface PeerModes {
  /** Of ports that are not among `ports`. */
  readonly rest: PeerMode
  readonly ports: ReadonlyMap<number, PeerMode>
}

/** For whom it is asked. */
export interface PeerSubject {
  readonly namespace: string
  /** Of the workload. */
  readonly place: Place
  /** Whose objects count; absent = the mesh's and the cluster's. */
  readonly whose?: Origin
}

export type PeerModeSource = Pick<MeshView, 'peerAuthentications' | 'settings' | 'meshConfig'>

/**
 * Istio reference: PeerAuthentication. The workload's own before the namespace's before the root namespace's before the mesh's setting
 * `inboundMtls`, and of each level the oldest of the mesh and the oldest of the cluster. Where both say something of a port the stricter
 * holds: they add up.
 */
export const resolvePeerModes = (source: PeerModeSource, subject: PeerSubject): PeerModes => {
  const { rootNamespace } = source.meshConfig()
  const { inboundMtls } = source.settings()
  const ofMesh: PeerMode = { mode: inboundMtls === 'strict' ? 'STRICT' : 'PERMISSIVE' }
  const root = source.peerAuthentications(rootNamespace)
  const own = subject.namespace === rootNamespace ? [] : source.peerAuthentications(subject.namespace)
  const wide = [root, own].reduce(
    (outer, policies) => combine(oldestOf(policies.filter(isWide), subject), undefined) ?? outer,
    ofMesh,
  )
  const selecting = oldestOf(
    own.filter((policy) => selects(policy, subject)),
    subject,
  )
  const rest = combine(selecting, undefined) ?? wide
  const named = new Set(selecting.flatMap(({ spec }) => Object.keys(spec.portLevelMtls ?? {}).map(Number)))
  return { rest, ports: new Map([...named].map((port) => [port, combine(selecting, port) ?? wide])) }
}

export const modeOf = ({ rest, ports }: PeerModes, port: number): PeerMode => ports.get(port) ?? rest

const isWide = ({ spec }: Policy): boolean => isForWholeNamespace(spec)

const selects = ({ spec }: Policy, { place }: PeerSubject): boolean =>
  !isForWholeNamespace(spec) && selectsPlace(spec, place)

/** At most one of the mesh and one of the cluster. The policies come with the oldest first. */
const oldestOf = (policies: readonly Policy[], { whose }: PeerSubject): readonly Policy[] =>
  (['mesh', 'cluster'] as const)
    .filter((each) => whose === undefined || each === whose)
    .flatMap((each) => policies.find((policy) => policy.origin === each) ?? [])

const strictness = { DISABLE: 0, PERMISSIVE: 1, STRICT: 2 } as const

/** The strictest of what they say of a port, or of all; undefined = they say nothing. */
const combine = (policies: readonly Policy[], port: number | undefined): PeerMode | undefined =>
  policies
    .flatMap((by): PeerMode[] => {
      const ofPort = port === undefined ? undefined : by.spec.portLevelMtls?.[port]?.mode
      const mode = ofPort === undefined || ofPort === 'UNSET' ? by.spec.mtls?.mode : ofPort
      return mode === undefined || mode === 'UNSET' ? [] : [{ mode, by }]
    })
    .reduce<PeerMode | undefined>(
      (first, other) => (first && strictness[first.mode] >= strictness[other.mode] ? first : other),
      undefined,
    )
