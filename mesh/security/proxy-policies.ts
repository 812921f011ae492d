import { z } from 'zod'
import { configObject, objectKeyOf, type ConfigObject, type Sourced } from '../config-object.ts'
import { isDryRun } from '../config/authorization-policy.ts'
import type { PeerAuthenticationSpec } from '../config/peer-authentication.ts'
import { selectsPlace } from '../selects-place.ts'
import type { MeshView } from '../view.ts'
import { placeOf, toWorkloadKey } from '../workload.ts'
import { resolvePeerModes, type PeerMode } from './peer-modes.ts'
import { findAuthorizations, selectAuthorizations } from './select-authorizations.ts'
import { findRequestAuthentications, selectRequestAuthentications } from './select-request-authentications.ts'

const peerMode = z.object({
  /** `DISABLE`, `PERMISSIVE` or `STRICT`. */
  mode: z.string(),
  /** Absent: the mesh's setting says it. */
  object: z.string().optional(),
})

/** The objects by which it is judged who may call a workload: what its proxy is served has not all of their names. */
export const proxyPolicies = z.object({
  /** How its ports take connections. */
  peers: z.object({ rest: peerMode, ports: z.record(z.string(), peerMode) }),
  authorizations: z.array(
    z.object({ object: z.string(), origin: z.string(), action: z.string(), dryRun: z.boolean() }),
  ),
  tokens: z.array(z.string()),
  /** By which selectors choose its workload. */
  labels: z.record(z.string(), z.string()),
  /** PeerAuthentications of the cluster's own that count beside the mesh's. Absent: its agent does not tell. */
  ownPeers: z.array(configObject).optional(),
})
export type ProxyPolicies = z.infer<typeof proxyPolicies>

export type PolicyView = Pick<
  MeshView,
  | 'localCluster'
  | 'workload'
  | 'settings'
  | 'meshConfig'
  | 'peerAuthentications'
  | 'authorizationPolicies'
  | 'requestAuthentications'
>

/** Undefined: there is no such workload. */
export const findProxyPolicies = (view: PolicyView, namespace: string, name: string): ProxyPolicies | undefined => {
  const workload = view.workload(toWorkloadKey(namespace, name))
  if (!workload) return undefined
  const place = placeOf(workload, view.localCluster)
  const { rest, ports } = resolvePeerModes(view, { namespace, place })
  return {
    peers: {
      rest: toShown(rest),
      ports: Object.fromEntries([...ports].map(([port, mode]) => [port, toShown(mode)])),
    },
    authorizations: findAuthorizations(view, selectAuthorizations(view, namespace, place)).map((policy) => ({
      object: objectKeyOf(policy),
      origin: policy.origin,
      action: policy.spec.action,
      dryRun: isDryRun(policy),
    })),
    tokens: findRequestAuthentications(view, selectRequestAuthentications(view, namespace, place)).map(objectKeyOf),
    labels: place.labels,
    ownPeers: [...new Set([view.meshConfig().rootNamespace, namespace])].flatMap((each) =>
      view
        .peerAuthentications(each)
        .filter(({ origin, spec }) => origin === 'cluster' && selectsPlace(spec, place))
        .map(toOwnPeer),
    ),
  }
}

const toOwnPeer = ({ apiVersion, kind, metadata, spec }: Sourced<PeerAuthenticationSpec>): ConfigObject => ({
  apiVersion,
  kind,
  metadata: {
    name: metadata.name,
    namespace: metadata.namespace,
    ...(metadata.creationTimestamp !== undefined && { creationTimestamp: metadata.creationTimestamp }),
  },
  spec: { ...spec },
})

const toShown = ({ mode, by }: PeerMode): ProxyPolicies['peers']['rest'] => ({
  mode,
  ...(by && { object: objectKeyOf(by) }),
})
