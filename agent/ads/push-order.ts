import { typeUrls, type TypeUrl } from '#xds/type-url.ts'
import type { Subscription } from './subscription.ts'

/** The order in which types are written. Secrets come first: listeners and clusters may stand for who is trusted. */
export const pushOrder: readonly TypeUrl[] = [
  typeUrls.secret,
  typeUrls.cluster,
  typeUrls.endpoint,
  typeUrls.listener,
  typeUrls.route,
  typeUrls.virtualHost,
]

/** Clusters before their endpoints: Envoy unsubscribes from those by itself. */
export const removalOrder: readonly TypeUrl[] = [typeUrls.cluster, typeUrls.endpoint]

/** What routes requests: clusters stay while one of these may still refer to them. */
export const routingTypes: ReadonlySet<TypeUrl> = new Set([typeUrls.listener, typeUrls.route, typeUrls.virtualHost])

/** The subscriptions of one stream; a type that the client has not asked for holds nobody up. */
export type Subscriptions = ReadonlyMap<TypeUrl, Subscription>

const isWritten = (subscriptions: Subscriptions, type: TypeUrl): boolean => subscriptions.get(type)?.isWritten ?? true
const isAccepted = (subscriptions: Subscriptions, type: TypeUrl): boolean => subscriptions.get(type)?.isAccepted ?? true

/**
 * Whether a type may be written now (xDS protocol, "Eventual consistency considerations"). Envoy handles responses in the order in
 * which they are written, and asks for a cluster's endpoints before it ACKs the cluster. So what is in order when written is in
 * order, except that a cluster carries traffic only when its endpoints have come: routes wait for that.
 */
export const mayPush = (subscriptions: Subscriptions, type: TypeUrl): boolean => {
  switch (type) {
    case typeUrls.secret:
      return true
    // "CDS updates (if any) must always be pushed first."
    case typeUrls.cluster:
      return isWritten(subscriptions, typeUrls.secret)
    // "EDS updates (if any) must arrive after CDS updates for the respective clusters."
    case typeUrls.endpoint:
      return isWritten(subscriptions, typeUrls.cluster)
    // "LDS updates must arrive after corresponding CDS/EDS updates."
    case typeUrls.listener:
      return clustersAreReady(subscriptions)
    // "RDS updates related to the newly added listeners must arrive after CDS/EDS/LDS updates."
    case typeUrls.route:
      return clustersAreReady(subscriptions) && isWritten(subscriptions, typeUrls.listener)
    // "VHDS updates (if any) related to the newly added RouteConfigurations must arrive after RDS updates."
    case typeUrls.virtualHost:
      return (
        clustersAreReady(subscriptions) &&
        isWritten(subscriptions, typeUrls.listener) &&
        isWritten(subscriptions, typeUrls.route)
      )
  }
}

const clustersAreReady = (subscriptions: Subscriptions): boolean =>
  isWritten(subscriptions, typeUrls.secret) &&
  isAccepted(subscriptions, typeUrls.cluster) &&
  isWritten(subscriptions, typeUrls.endpoint) &&
  !subscriptions.get(typeUrls.endpoint)?.isAnswering

/** "Stale CDS clusters and related EDS endpoints (ones no longer being referenced) can then be removed." */
export const mayRemove = (subscriptions: Subscriptions, type: TypeUrl): boolean =>
  [...routingTypes].every((routing) => isAccepted(subscriptions, routing)) &&
  (type === typeUrls.cluster || isAccepted(subscriptions, typeUrls.cluster))
