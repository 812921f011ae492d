import { z } from 'zod'
import { networkName } from '../names.ts'
import { TLS_MODE_LABEL } from '../registry-records/to-endpoint.ts'
import { istioNetworking } from './kind-definition.ts'
import type { KindDefinition } from './kind-definition.ts'
import { fqdnFault, isIpAddress, isUnixAddress, unixAddressFault } from './schema/host-names.ts'
import { labels } from './schema/labels.ts'
import { checked, message, optionalText } from './schema/message.ts'
import { portName, portNumber } from './schema/ports.ts'

const addressFault = (address: string): string | undefined => {
  if (isUnixAddress(address)) return unixAddressFault(address)
  if (isIpAddress(address)) return undefined
  const fault = fqdnFault(address)
  return fault === undefined ? undefined : `must be an IP address, a host name or unix:///path: ${fault}`
}

const network = checked(z.string(), ({ value, report }) => {
  if (!networkName.safeParse(value).success)
    report("Atoll's networks are named by DNS labels in lower case", [], { problem: 'unsupported' })
})

export const workloadEntryFields = message({
  /** An IP address, a host name or "unix:///path"; "" = what is behind the gateways of its network. */
  address: z.string().max(256).default(''),
  /** Port name → number, where it differs from the service's. */
  ports: checked(z.record(z.string(), portNumber), ({ value, report }) => {
    for (const name of Object.keys(value))
      if (!portName.safeParse(name).success) report('is not the name of a port', [name])
  }).optional(),
  labels: labels.optional(),
  network: optionalText(network),
  /** "region/zone/subzone", trailing parts may be missing. */
  locality: optionalText(z.string().max(2048)),
  /** Share of the traffic among the endpoints; 0 is unset. */
  weight: z.int().min(0).max(0xffff_ffff).optional(),
  serviceAccount: optionalText(z.string().max(253)),
})

/** Istio reference: networking/workload-entry; also the endpoints of a ServiceEntry. */
export const workloadEntrySpec = checked(workloadEntryFields, ({ value, report }) => {
  if (value.address === '') {
    if (value.network === undefined) report('is required without a network', ['address'])
    return
  }
  const fault = addressFault(value.address)
  if (fault !== undefined) report(fault, ['address'])
  if (isUnixAddress(value.address) && Object.keys(value.ports ?? {}).length > 0)
    report('a Unix domain socket has no ports', ['ports'])
})
export type WorkloadEntrySpec = z.output<typeof workloadEntrySpec>

/** Why nobody reaches an endpoint that has a network and no address: gateways pass on mesh mTLS alone. */
export const gatewayEndpointFault = ({
  address,
  labels = {},
  serviceAccount,
}: Pick<WorkloadEntrySpec, 'address' | 'labels' | 'serviceAccount'>): string | undefined =>
  address === '' && (labels[TLS_MODE_LABEL] ?? (serviceAccount === undefined ? 'disabled' : 'istio')) !== 'istio'
    ? "is missing, and a network's gateways take mesh mTLS alone: name the serviceAccount of what is behind them"
    : undefined

export const workloadEntry: KindDefinition<WorkloadEntrySpec> = {
  ...istioNetworking,
  kind: 'WorkloadEntry',
  plural: 'workloadentries',
  schema: workloadEntrySpec,
  check({ metadata, spec }, report) {
    const fault = gatewayEndpointFault({ ...spec, labels: { ...spec.labels, ...metadata.labels } })
    if (fault !== undefined) report(['spec', 'address'], fault, { severity: 'warning', code: 'ineffective' })
  },
}
