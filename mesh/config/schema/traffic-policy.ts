import { z } from 'zod'
import { clientTls } from './client-tls.ts'
import { connectionPool } from './connection-pool.ts'
import { durationOrZero, toMilliseconds } from './duration.ts'
import { fqdnFault, isIpAddress } from './host-names.ts'
import { loadBalancer } from './load-balancer.ts'
import { checked, choice, fieldNotes, message, optionalText, setFields } from './message.ts'
import { outlierDetection } from './outlier-detection.ts'
import { portNumber, portSelector } from './ports.ts'

const policies = {
  loadBalancer: loadBalancer.optional(),
  connectionPool: connectionPool.optional(),
  outlierDetection: outlierDetection.optional(),
  tls: clientTls.optional(),
}
const policyNames = ['loadBalancer', 'connectionPool', 'outlierDetection', 'tls'] as const

const portPolicy = checked(message({ port: portSelector, ...policies }), ({ value, sound, report }) => {
  if (sound && setFields(value, policyNames).length === 0) report(`needs at least one of ${policyNames.join(', ')}`)
})

/** networking.istio.io TrafficPolicy.TunnelSettings. */
const tunnel = message({
  protocol: optionalText(z.enum(['CONNECT', 'POST'], 'must be CONNECT or POST')),
  targetHost: checked(z.string(), ({ value, report }) => {
    const fault = isIpAddress(value) ? undefined : fqdnFault(value)
    if (fault !== undefined) report(`is neither an IP address nor a host name: ${fault}`)
  }),
  targetPort: portNumber,
})
export type Tunnel = z.output<typeof tunnel>

const presentOnly = checked(durationOrZero, ({ value, report }) => {
  if (toMilliseconds(value) > 0)
    report('Envoy counts present requests only: leave it out', [], { problem: 'unsupported' })
}).register(fieldNotes, { limit: '0s, for Envoy counts present requests only' })

/** networking.istio.io TrafficPolicy.RetryBudget. */
const retryBudget = message({
  percent: z.number().min(0).max(100).optional(),
  /** 0 is unset. */
  minRetryConcurrency: z.int().min(0).max(0xffff_ffff).optional(),
  budgetInterval: presentOnly.optional(),
})
export type RetryBudget = z.output<typeof retryBudget>

const allNames = [...policyNames, 'portLevelSettings', 'tunnel', 'proxyProtocol', 'retryBudget'] as const

/** networking.istio.io TrafficPolicy. */
export const trafficPolicy = checked(
  message({
    ...policies,
    /** Replaces the policy for its port: what it could say and leaves out is not inherited. The first of several for a port counts. */
    portLevelSettings: z.array(portPolicy).max(4096).optional(),
    tunnel: tunnel.optional(),
    proxyProtocol: message({ version: choice(['V1', 'V2']).default('V1') }).optional(),
    retryBudget: retryBudget.optional(),
  }),
  ({ value, sound, report }) => {
    if (sound && setFields(value, allNames).length === 0) report(`needs at least one of ${allNames.join(', ')}`)
    if (value.tunnel && value.proxyProtocol) report('takes only one of tunnel, proxyProtocol')
  },
)
export type TrafficPolicy = z.output<typeof trafficPolicy>
