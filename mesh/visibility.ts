import type { Service } from './service.ts'

/** What of a service decides who may know of it. */
export type ExportedService = Pick<Service, 'namespace' | 'exportTo' | 'source' | 'location'>

/**
 * Who may call a service: `exportTo` of Istio's ServiceEntry, and the annotation `networking.istio.io/exportTo` of a Service.
 * "~" beside other entries closes the service all the same.
 */
const isOpenTo = (service: ExportedService, hasNamespace: (namespace: string) => boolean): boolean =>
  !service.exportTo.includes('~') &&
  service.exportTo.some((entry) => entry === '*' || hasNamespace(entry === '.' ? service.namespace : entry))

/** A service as the mesh exports it. Istio reference: MeshConfig.defaultServiceExportTo. */
export const withDefaultExport = <Exported extends Pick<Service, 'exportTo' | 'isExportedByDefault'>>(
  service: Exported,
  byDefault: readonly string[] = [],
): Exported => (service.isExportedByDefault && byDefault.length > 0 ? { ...service, exportTo: byDefault } : service)

/** Whether any other cluster may learn of a service. A cluster's ServiceEntry for the outside world stays in its cluster. */
export const isShared = (service: ExportedService): boolean =>
  !service.exportTo.includes('~') && !(service.source === 'service-entry' && service.location === 'mesh-external')

/** Whether a service of one cluster is offered to another one, which has these namespaces. */
export const isOfferedTo = (service: ExportedService, cluster: { readonly namespaces: ReadonlySet<string> }): boolean =>
  isShared(service) && isOpenTo(service, (namespace) => cluster.namespaces.has(namespace))

/** Whether clients in this namespace may call a service. */
export const isVisibleFrom = (service: ExportedService, namespace: string): boolean =>
  isOpenTo(service, (exported) => exported === namespace)
