import { typeUrls, type TypeUrl } from '#xds/type-url.ts'
import type { Subscription } from './subscription.ts'

/** The subscriptions of one stream; a type that the client has not asked for holds nobody up. */
export type Subscriptions = ReadonlyMap<TypeUrl, Subscription>

/**
 * The order in which types are written (xDS protocol, "Eventual consistency considerations"): "CDS updates (if any) must always be
 * pushed first. EDS updates (if any) must arrive after CDS updates for the respective clusters. LDS updates must arrive after
 * corresponding CDS/EDS updates. RDS updates related to the newly added listeners must arrive after CDS/EDS/LDS updates. VHDS updates
 * (if any) related to the newly added RouteConfigurations must arrive after RDS updates." Secrets come before all of them: clusters
 * and listeners may stand for who is trusted. Filters' configurations (ECDS) say who may call: they wait for nothing but the writing of the
 * clusters that they may ask.
 */
const pushOrder: readonly TypeUrl[] = [
  typeUrls.secret,
  typeUrls.cluster,
  typeUrls.endpoint,
  typeUrls.extensionConfig,
  typeUrls.listener,
  typeUrls.route,
  typeUrls.virtualHost,
]

/**
 * The subscriptions that may be written now, in order. Envoy handles responses in the order in which they are written, and asks for a
 * cluster's endpoints before it ACKs the cluster. So what is in order when written is in order, except that a cluster carries traffic
 * only when its endpoints have come: routes wait for that.
 */
export const toPushable = function* (subscriptions: Subscriptions): Generator<Subscription> {
  for (const type of pushOrder) {
    if (type === typeUrls.listener && !clustersCarryTraffic(subscriptions)) return
    const subscription = subscriptions.get(type)
    if (!subscription) continue
    yield subscription
    if (!subscription.isWritten) return
  }
}

const clustersCarryTraffic = (subscriptions: Subscriptions): boolean =>
  isAccepted(subscriptions, typeUrls.cluster) && !subscriptions.get(typeUrls.endpoint)?.isAnswering

/** What routes requests: clusters stay while one of these may still refer to them. */
export const routingTypes: readonly TypeUrl[] = [typeUrls.listener, typeUrls.route, typeUrls.virtualHost]

/**
 * The subscriptions whose removals may be written now: "Stale CDS clusters and related EDS endpoints (ones no longer being referenced)
 * can then be removed." Clusters before their endpoints: Envoy unsubscribes from those by itself.
 */
export const toRemovable = function* (subscriptions: Subscriptions): Generator<Subscription> {
  const clusters = subscriptions.get(typeUrls.cluster)
  const endpoints = subscriptions.get(typeUrls.endpoint)
  if (!clusters?.hasRemovals && !endpoints?.hasRemovals) return
  if (!routingTypes.every((type) => isAccepted(subscriptions, type))) return
  if (clusters) yield clusters
  if (endpoints && (clusters?.isAccepted ?? true)) yield endpoints
}

const isAccepted = (subscriptions: Subscriptions, type: TypeUrl): boolean => subscriptions.get(type)?.isAccepted ?? true
