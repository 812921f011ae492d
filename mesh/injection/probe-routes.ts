import { z } from 'zod'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'

/**
 * Annotation on an injected pod: where its rewritten probes lead, as JSON. The kubelet asks the proxy's health port for a path of the
 * table, and the proxy asks the application. Written by the injector, read by the agent when it makes the proxy's health listener:
 *
 *     {"/app-health/web/readyz": {"httpGet": {"port": 8080, "path": "/ready", "scheme": "HTTP"}},
 *      "/app-health/web/livez": {"tcpSocket": {"port": 8080}, "timeoutSeconds": 1, "periodSeconds": 10},
 *      "/app-health/db/startupz": {"grpc": {"port": 9000, "service": ""}, "timeoutSeconds": 1, "periodSeconds": 10}}
 *
 * Fields are a Kubernetes probe's, with their defaults filled in. The target is the application at the pod's address, from the source
 * 127.0.0.6 (::6), which capture leaves alone. Headers that a probe sends are the kubelet's to send: they pass through.
 */
export const probeRoutesAnnotation = 'atoll.dev/probe-routes'

const port = z.int().min(1).max(65_535)

const probeTarget = z.union([
  z.object({
    httpGet: z.object({ port, path: z.string().regex(/^\/[^\p{Cc}]*$/u), scheme: z.enum(['HTTP', 'HTTPS']) }),
  }),
  z.object({
    tcpSocket: z.object({ port }),
    /** How long the application may take, and how often it is asked. */
    timeoutSeconds: z.int().min(1),
    periodSeconds: z.int().min(1),
  }),
  z.object({
    /** grpc.health.v1.Health/Check of this service; "" = of the whole server. */
    grpc: z.object({ port, service: z.string() }),
    timeoutSeconds: z.int().min(1),
    periodSeconds: z.int().min(1),
  }),
])
export type ProbeTarget = z.infer<typeof probeTarget>

/** Five for each of a hundred containers. */
const maxProbes = 500

export const probeRoutes = z
  .record(z.string().regex(/^\/app-health\/[a-z0-9-]+\/(?:readyz|livez|startupz|prestopz|poststartz)$/), probeTarget)
  .refine((routes) => Object.keys(routes).length <= maxProbes)
  .readonly()
/** By path. */
export type ProbeRoutes = z.infer<typeof probeRoutes>

export type ProbeRole = 'readyz' | 'livez' | 'startupz' | 'prestopz' | 'poststartz'

export const toProbePath = (container: string, role: ProbeRole): string => `/app-health/${container}/${role}`

/** The table of `probeRoutesAnnotation`, which anybody who may write the pod may have written. */
export const parseProbeRoutes = (text: string): Result<ProbeRoutes, string> => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return err('is not JSON')
  }
  const parsed = probeRoutes.safeParse(value)
  return parsed.success ? ok(parsed.data) : err('is not a table of probes')
}
