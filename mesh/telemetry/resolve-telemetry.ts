import type { MeshConfig } from '../config/mesh-config.ts'
import type { TelemetrySpec } from '../config/telemetry.ts'
import { resolveAccessLogging } from './resolve-access-logging.ts'
import { resolveMetrics } from './resolve-metrics.ts'
import { resolveTracing } from './resolve-tracing.ts'
import { isForSide } from './is-for-side.ts'
import type { CallSide, TelemetryForProxy, TelemetryOfSide } from './telemetry-for-proxy.ts'

/** What the Telemetry objects that are for a proxy come to, the widest first, under the mesh's settings. */
export const resolveTelemetry = (
  settings: MeshConfig,
  objects: readonly { readonly spec: TelemetrySpec }[],
): TelemetryForProxy => {
  const specs = objects.map(({ spec }) => spec)
  const resolve = (side: CallSide): TelemetryOfSide => ({
    accessLogging: resolveAccessLogging(
      settings,
      specs.map(({ accessLogging }) => accessLogging.filter(({ match }) => isForSide(match?.mode, side))),
    ),
    metrics: resolveMetrics(
      settings.extensionProviders,
      specs.flatMap(({ metrics }) => metrics),
      (mode) => isForSide(mode, side),
    ),
    tracing: resolveTracing(
      settings,
      specs.flatMap(({ tracing }) => tracing.filter(({ match }) => isForSide(match?.mode, side))),
    ),
  })
  return { client: resolve('client'), server: resolve('server') }
}
