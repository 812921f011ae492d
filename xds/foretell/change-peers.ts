import { peerAuthentication } from '#mesh/config/peer-authentication.ts'
import { objectKeyOf, parseObjectKey } from '#mesh/config-object.ts'
import type { ProxyPolicies } from '#mesh/security/proxy-policies.ts'
import { modeOf, resolvePeerModes, type PeerModes } from '#mesh/security/peer-modes.ts'
import type { Decider } from '#xds/explain/served.ts'
import { toPlace, type CalledProxy } from './called-proxy.ts'
import { toView, type ProposedMesh } from './proposal.ts'

/** How a call comes once PeerAuthentications have changed. */
export type Coming =
  | { readonly kind: 'as-before' }
  /** By mTLS now; clients of the mesh go over to plaintext, and have no name there. */
  | { readonly kind: 'without-name' }
  /** In plaintext now; who of its clients is of the mesh goes over to mTLS. */
  | { readonly kind: 'perhaps-with-name' }
  | { readonly kind: 'refused'; readonly by: readonly Decider[] }
  | { readonly kind: 'not-known'; readonly missing: string }

export type PeerChange = (port: number | undefined, security: string | undefined) => Coming

/** Undefined: they change nothing for this proxy. Gateways have servers instead. */
export const changePeers = (mesh: ProposedMesh, proxy: CalledProxy): PeerChange | undefined => {
  const isOfPeers = (key: string) => parseObjectKey(key)?.kind === peerAuthentication.kind
  const isChanged = mesh.settings.inboundMtls !== mesh.settingsThen.inboundMtls || [...mesh.changed].some(isOfPeers)
  if (proxy.role !== 'sidecar' || !isChanged) return undefined
  const { namespace, cluster, policies } = proxy
  const { peers, ownPeers } = policies
  const place = toPlace(proxy)
  const resolve = (which: 'before' | 'after') => {
    const own = ownPeers ?? []
    const all = { mesh: mesh.objects[which].filter(({ kind }) => kind === peerAuthentication.kind), cluster: own }
    const view =
      own.length > 0
        ? toView(which === 'before' ? mesh.settings : mesh.settingsThen, cluster, all)
        : mesh.view(cluster, which)
    return resolvePeerModes(view, { namespace, place })
  }
  const after = resolve('after')
  // An older agent does not tell what its cluster's own objects say.
  if (!ownPeers && !isAsTold(peers, resolve('before')))
    return () => ({ kind: 'not-known', missing: "what the cluster's own PeerAuthentications say" })
  if (isAsTold(peers, after)) return undefined
  const named = new Set([...Object.keys(peers.ports).map(Number), ...after.ports.keys()])
  return (port, security) => {
    const ports = port === undefined ? [...named, anyOther] : [port]
    const all = ports.map((each) => toComing(peers, after, each, security))
    const [first = { kind: 'as-before' }] = all
    return all.every(({ kind }) => kind === first.kind) ? first : { kind: 'not-known', missing: 'port' }
  }
}

/** A port that no object names. */
const anyOther = 0

const modeThen = ({ rest, ports }: ProxyPolicies['peers'], port: number) => ports[port] ?? rest

const isAsTold = (told: ProxyPolicies['peers'], modes: PeerModes): boolean =>
  [anyOther, ...Object.keys(told.ports).map(Number), ...modes.ports.keys()].every(
    (port) => modeThen(told, port).mode === modeOf(modes, port).mode,
  )

const toComing = (
  before: ProxyPolicies['peers'],
  after: PeerModes,
  port: number,
  security: string | undefined,
): Coming => {
  const { mode: from } = modeThen(before, port)
  const { mode: to, by } = modeOf(after, port)
  if (from === to) return { kind: 'as-before' }
  if (security === 'mutual_tls') return { kind: to === 'DISABLE' ? 'without-name' : 'as-before' }
  if (to === 'DISABLE') return { kind: 'as-before' }
  if (security !== 'none') return { kind: 'not-known', missing: 'whether it comes by mTLS' }
  // Whoever of the mesh calls where plaintext alone is taken does so in plaintext.
  if (from === 'DISABLE')
    return to === 'STRICT'
      ? { kind: 'not-known', missing: 'whether its caller has a proxy, and so goes over to mTLS' }
      : { kind: 'perhaps-with-name' }
  if (to !== 'STRICT') return { kind: 'as-before' }
  if (!by) return { kind: 'refused', by: [{ object: "the mesh's setting", path: 'inboundMtls' }] }
  const isOfPort = by.spec.portLevelMtls?.[port] !== undefined
  return { kind: 'refused', by: [{ object: objectKeyOf(by), path: isOfPort ? `portLevelMtls[${port}]` : 'mtls' }] }
}
