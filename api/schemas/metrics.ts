import { z } from 'zod'
import { clusterName } from '#mesh/names.ts'
import { unavailable } from './telemetry.ts'

export const metricsQuery = z.object({
  window: z.coerce
    .number<number>()
    .int()
    .min(60)
    .max(7 * 86_400)
    .default(900)
    .describe('Over how many seconds.'),
  to: z.iso.datetime({ offset: true }).optional().describe('Until when; absent: now.'),
  cluster: clusterName.optional().describe('Only what proxies of this cluster tell.'),
})

const rate = z.number().describe('A second, on average.')
const milliseconds = z.number().nullable().describe('Milliseconds; null: there was no request.')

/** Requests, errors, duration. */
const red = z.object({
  requestRate: rate,
  errorRate: rate,
  errorRatio: z
    .number()
    .nullable()
    .describe('Of the requests, those that failed: 5xx, no answer at all, or a status of gRPC but 0.'),
  p50: milliseconds,
  p90: milliseconds,
  p99: milliseconds,
  codes: z
    .record(z.string(), z.number())
    .describe('Requests by class of status: `2xx` …, `none` for no answer, `grpc-14` …'),
  tcp: z.object({ openedRate: rate, sentByteRate: rate, receivedByteRate: rate }).describe('Connections of TCP.'),
})
export type TrafficMetrics = z.infer<typeof red>

const serviceMetrics = z.object({
  service: z.string().describe('Its host name.'),
  name: z.string(),
  namespace: z.string(),
  clusters: z.array(z.string()).describe('Where its workloads were called.'),
  ...red.shape,
  series: z.array(z.object({ at: z.string(), requestRate: z.number(), errorRate: z.number() })).describe('In time.'),
})

const graphNode = z.object({
  id: z.string(),
  workload: z.string(),
  namespace: z.string(),
  cluster: z.string(),
  services: z.array(z.string()).describe('The services that it was called as.'),
  ...red.shape,
})
const graphCluster = z.object({
  name: z.string().describe('`unknown`: what came to no workload, or to one outside of the mesh.'),
  ...red.shape,
})
const graphEdge = z.object({
  source: z.string().describe('The id of a node.'),
  destination: z.string().describe('The id of a node.'),
  service: z.string(),
  protocol: z.string(),
  reporter: z.string().describe('The side that told it: `destination`, if there is a proxy.'),
  mutualTls: z.boolean().nullable().describe('null: not known.'),
  ...red.shape,
})

const period = { from: z.string(), to: z.string(), stepSeconds: z.number() }
const folded = z.number().describe('What was counted of series that are too many, and is in none of these.')

export const serviceMetricsAnswer = z.object({ ...period, items: z.array(serviceMetrics), folded, unavailable })
export const meshGraph = z.object({
  ...period,
  nodes: z.array(graphNode).describe('What each workload was called with.'),
  clusters: z.array(graphCluster).describe("What each cluster's workloads were called with."),
  edges: z.array(graphEdge),
  folded,
  unavailable,
})
export type ServiceMetrics = z.infer<typeof serviceMetricsAnswer>
export type MeshGraph = z.infer<typeof meshGraph>
