import { z } from 'zod'
import { proxyAdminPort, proxyListenPorts } from '../kubernetes/conventions.ts'
import { parseJson } from '../parse-json.ts'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'

/**
 * Annotation on an injected pod: where its application's own metrics are, as JSON. A Prometheus asks the proxy, and the proxy asks the
 * application, at the pod's address. Written by the injector, read by the agent when it makes the proxy's listeners:
 *
 *     {"port": 8080, "path": "/metrics"}
 */
export const scrapeTargetAnnotation = 'atoll.dev/scrape-target'

/** The proxy's own: it would ask itself. */
const ownPorts: readonly number[] = [proxyAdminPort, ...proxyListenPorts]

export const scrapeTarget = z
  .object({
    port: z
      .int()
      .min(1)
      .max(65_535)
      .refine((port) => !ownPorts.includes(port)),
    /** With its query, if it has one. */
    path: z.string().regex(/^\/[!-~]*$/),
  })
  .readonly()
export type ScrapeTarget = z.infer<typeof scrapeTarget>

/** What `scrapeTargetAnnotation` says, which anybody who may write the pod may have written. */
export const parseScrapeTarget = (text: string): Result<ScrapeTarget, string> => {
  const parsed = scrapeTarget.safeParse(parseJson(text))
  return parsed.success ? ok(parsed.data) : err('names no port and path of an application')
}
