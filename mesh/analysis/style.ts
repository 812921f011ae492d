import type { ConfigObject } from '../config-object.ts'
import { exportToAnnotation, isProxied, trafficDistributionAnnotation } from '../config/service.ts'
import { dryRunAnnotation } from '../config/schema/security-object.ts'
import { closestName } from '../config/schema/closest-name.ts'
import type { Problem } from '../problem.ts'
import { selectProtocol } from '../registry-records/select-protocol.ts'
import { uninjectedNamespaces } from '../injection/decide-injection.ts'
import { istioNamespace } from '../kubernetes/installed-gateways.ts'
import { problemOf, toAnalyzedObjects } from './analyzed-objects.ts'
import { suppressAnnotation } from './suppressed.ts'

/**
 * What is right and could be said better. Only for who asks for an analysis: a cluster has many such objects that are nobody's fault
 * (Istio: "Port name is not under naming convention", "Unknown annotation").
 */
export const findStyleProblems = (objects: readonly ConfigObject[]): readonly Problem[] => [
  ...findUnclearPorts(objects),
  ...objects.flatMap(findUnknownAnnotations),
]

/** Of Kubernetes, Istio and Atoll, whose Services are nobody's to rename. */
const systemNamespaces: readonly string[] = [...uninjectedNamespaces, istioNamespace]

const findUnclearPorts = (objects: readonly ConfigObject[]): readonly Problem[] =>
  toAnalyzedObjects(objects).services.flatMap((service) => {
    if (systemNamespaces.includes(service.metadata.namespace)) return []
    return service.spec.ports.flatMap((port, index) => {
      const { name = '', appProtocol, port: number } = port
      if (!isProxied(port) || selectProtocol({ explicit: appProtocol, name, number }) !== 'auto') return []
      const message = `says nothing of its protocol, which is found out connection by connection: say it in appProtocol, or name the port "http-${name || 'web'}", "tcp-…"`
      return [problemOf(service, 'port_name', 'warning', ['spec', 'ports', index, 'name'], message)]
    })
  })

/** Of Istio's, those that mean something on every kind of configuration, or that something else reads there; on pods there are others. */
const commonAnnotations: readonly string[] = [
  suppressAnnotation,
  'internal.istio.io/gateway-semantics',
  'networking.istio.io/address-type',
  'networking.istio.io/service-type',
  'istio.io/description',
  'istio.io/rev',
  'install.operator.istio.io/chart-owner',
  'install.operator.istio.io/owner-generation',
  'install.operator.istio.io/version',
]

/** Those of one kind more. Istio reference: annotations; of a WorkloadEntry those too that istiod writes where a machine registers itself. */
const annotationsByKind: Readonly<Record<string, readonly string[]>> = {
  AuthorizationPolicy: [dryRunAnnotation],
  Service: [
    exportToAnnotation,
    trafficDistributionAnnotation,
    'alpha.istio.io/kubernetes-serviceaccounts',
    'alpha.istio.io/canonical-serviceaccounts',
    'istio.io/use-waypoint-canary-weight',
    'traffic.istio.io/nodeSelector',
  ],
  ServiceEntry: [trafficDistributionAnnotation, 'istio.io/use-waypoint-canary-weight'],
  WorkloadEntry: [
    'istio.io/autoRegistrationGroup',
    'istio.io/connectedAt',
    'istio.io/disconnectedAt',
    'istio.io/workloadController',
    'proxy.istio.io/health-checks-enabled',
  ],
}

const findUnknownAnnotations = (object: ConfigObject): readonly Problem[] => {
  const knownAnnotations = [...commonAnnotations, ...(annotationsByKind[object.kind] ?? [])]
  return Object.keys(object.metadata.annotations ?? {})
    .filter((name) => /^([a-z-]+\.)*istio\.io\//.test(name) && !knownAnnotations.includes(name))
    .map((name) => {
      const meant = closestName(name, knownAnnotations)
      const message =
        meant === undefined ? `means nothing on a ${object.kind}` : `is not an annotation: did you mean "${meant}"?`
      return problemOf(object, 'unknown_annotation', 'warning', ['metadata', 'annotations', name], message)
    })
}
