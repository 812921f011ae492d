import type { ProxySettings } from '../config/schema/proxy-settings.ts'
import type { Workload } from '../workload.ts'
import { toPeerFacts } from './peer-facts.ts'

/** What a backend of traces calls a proxy (Istio reference: ProxyConfig.TracingServiceName). */
export const toTracingServiceName = (
  workload: Pick<Workload, 'namespace' | 'name' | 'controller' | 'labels'>,
  scheme: ProxySettings['tracingServiceName'] = 'APP_LABEL_AND_NAMESPACE',
): string => {
  const { canonicalService } = toPeerFacts(workload)
  switch (scheme) {
    case 'APP_LABEL_AND_NAMESPACE':
      return `${workload.labels['app'] ?? 'istio-proxy'}.${workload.namespace}`
    case 'CANONICAL_NAME_ONLY':
      return canonicalService
    case 'CANONICAL_NAME_AND_NAMESPACE':
      return `${canonicalService}.${workload.namespace}`
  }
}
