import { CliError } from '../cli-error.ts'
import type { GatewaySettings } from './manifests/install-settings.ts'

/** `--gateway` of a Kubernetes cluster: "loadbalancer" (the default), "nodeport", "none", or addresses by hand. */
export const toGatewaySettings = (how: readonly string[] = ['loadbalancer']): GatewaySettings | undefined => {
  const [first, ...others] = how
  if (others.length === 0) {
    if (first === 'none') return undefined
    if (first === 'loadbalancer') return { service: 'LoadBalancer' }
    if (first === 'nodeport') return { service: 'NodePort' }
  }
  const wrong = how.find((address) => !/^(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}$/.test(address))
  if (wrong !== undefined)
    throw new CliError('usage', `${wrong} is no gateway`, { remedy: 'Say loadbalancer, nodeport, none, or HOST:PORT.' })
  return { service: 'NodePort', addresses: how }
}
