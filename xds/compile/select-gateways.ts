import { hasLabelsThere } from '#mesh/topology.ts'
import type { MeshView } from '#mesh/view.ts'
import { placeOf, type Workload } from '#mesh/workload.ts'

/** The Gateway objects, "<namespace>/<name>", that are for a gateway's proxy, oldest first. Istio reference: Gateway.selector. */
export const selectGateways = (
  view: Pick<MeshView, 'gatewaySelectors' | 'localCluster'>,
  workload: Workload,
): string[] => {
  const place = placeOf(workload, view.localCluster)
  return view
    .gatewaySelectors()
    .filter(({ selector }) => hasLabelsThere(place, selector))
    .map(({ gateway }) => gateway)
}

/**
 * Where a gateway's proxy listens for a port of a server, when that is the port of a Service that leads to the proxy at another one. Ports
 * below 1024 are then open to a proxy that may not listen there. The first Service counts.
 */
export const toListenPorts = (view: MeshView, workloadKey: string): Readonly<Record<string, number>> => {
  const listenPorts: Record<string, number> = {}
  for (const { service, ports } of view.workloadServices(workloadKey)) {
    for (const { name, number } of view.service(service)?.ports ?? []) {
      const target = ports[name]
      if (target !== undefined) listenPorts[number] ??= target
    }
  }
  return Object.fromEntries(Object.entries(listenPorts).filter(([port, target]) => Number(port) !== target))
}
