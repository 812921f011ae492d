import { splitServiceKey, type ServiceKey } from '../names.ts'
import { unknownFact } from './peer-facts.ts'

export interface ServiceLabels {
  readonly destination_service: string
  readonly destination_service_name: string
  readonly destination_service_namespace: string
}

/**
 * What telemetry says of the service that was called, from what Envoy tells of the upstream: a ServiceKey, the name of an upstream that is for
 * no service (`PassthroughCluster`), or "-" for no upstream. A Kubernetes service is called by its short name, any other by its host (Istio
 * reference: Istio standard metrics).
 */
export const toServiceLabels = (told: string): ServiceLabels => {
  if (told === '' || told === '-') return noService
  if (!told.includes('/')) return { ...noService, destination_service_name: told }
  const { namespace, hostname } = splitServiceKey(told as ServiceKey)
  const [name = '', ofNamespace, svc] = hostname.split('.', 3)
  return {
    destination_service: hostname,
    destination_service_name: svc === 'svc' && ofNamespace === namespace ? name : hostname,
    destination_service_namespace: namespace,
  }
}

const noService: ServiceLabels = {
  destination_service: unknownFact,
  destination_service_name: unknownFact,
  destination_service_namespace: unknownFact,
}
