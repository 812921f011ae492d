import { appMetricsPath, appMetricsPort } from '#mesh/kubernetes/conventions.ts'
import type { Workload } from '#mesh/workload.ts'
import type { Listener } from '#xds/model/listener.ts'
import type { Upstream } from '#xds/model/upstream.ts'
import { compilePlainListener, compileQuestion } from './compile-health.ts'
import { scrapeListener } from './resource-names.ts'

interface CompiledScrapes {
  readonly listeners: readonly Listener[]
  readonly upstreams: readonly Upstream[]
}

/** Who scrapes gives up before. */
const timeoutMs = 120_000

/**
 * Where a captured workload's proxy is asked for metrics of the application: nowhere, if it names none. The application is asked as if there
 * were no proxy, by the pod's address.
 */
export const compileScrapes = ({ address, scrapeTarget: target }: Workload): CompiledScrapes => {
  if (address === '' || target === undefined) return { listeners: [], upstreams: [] }
  const { route, upstream } = compileQuestion(
    address,
    appMetricsPath,
    { ...target, scheme: 'HTTP' },
    { authority: `${address}:${target.port}`, timeoutMs },
  )
  const place = { address: '0.0.0.0', port: appMetricsPort }
  return {
    listeners: [compilePlainListener(scrapeListener, place, 'scrapes', { routes: [route] })],
    upstreams: [upstream],
  }
}
