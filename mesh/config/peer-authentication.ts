import { z } from 'zod'
import type { KindDefinition, Report } from './kind-definition.ts'
import { matchLabelsSelector } from './schema/labels.ts'
import { checked, choice, message } from './schema/message.ts'
import { isForWholeNamespace } from './schema/policy-target.ts'
import { checkSecurityObject, istioSecurity, toClosedTarget } from './schema/security-object.ts'

/** Istio reference: PeerAuthentication, MutualTLS.Mode. `UNSET` is as the next level has it. */
const modes = ['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT'] as const

const mutualTls = message({ mode: choice(modes).default('UNSET') })

const portKey = /^[1-9]\d{0,4}$/

const portLevelMtls = checked(z.record(z.string(), mutualTls), ({ value, report }) => {
  const ports = Object.keys(value)
  if (ports.length === 0) report('needs at least one port, or is left out')
  for (const port of ports)
    if (!portKey.test(port) || Number(port) > 65_535) report('must be a port from 1 to 65535', [port])
})

/** Istio reference: PeerAuthentication. */
const peerAuthenticationSpec = checked(
  message({
    /** Absent, or without labels: every workload of the namespace, and of the root namespace every one of the mesh. */
    selector: matchLabelsSelector.optional(),
    mtls: mutualTls.optional(),
    /** By port of the workload, which is not the service's. */
    portLevelMtls: portLevelMtls.optional(),
  }),
  ({ value, report }) => {
    if (value.portLevelMtls && isForWholeNamespace(value)) report('is for a selector with labels', ['portLevelMtls'])
  },
)
export type PeerAuthenticationSpec = z.output<typeof peerAuthenticationSpec>
export type MutualTlsMode = (typeof modes)[number]

export const peerAuthentication: KindDefinition<PeerAuthenticationSpec> = {
  ...istioSecurity,
  kind: 'PeerAuthentication',
  plural: 'peerauthentications',
  schema: peerAuthenticationSpec,
  closed(spec) {
    const { selector } = toClosedTarget(spec)
    return { ...(selector && { selector }), mtls: { mode: 'STRICT' } }
  },
  check(object, report: Report) {
    checkSecurityObject(object, report)
  },
}
