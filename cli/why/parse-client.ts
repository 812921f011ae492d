import { isProxyRole, type ProxyRole } from '#xds/proxy.ts'
import { CliError } from '../cli-error.ts'

/** A workload as a person names it. */
export interface ClientName {
  readonly cluster: string | undefined
  /** Undefined = whichever it is of. */
  readonly role: ProxyRole | undefined
  readonly namespace: string
  /** Name of a pod, of what made it, of a machine, or of a service account. */
  readonly name: string
  /** What is said of its proxy beside, as `--proxy` of "atoll xds" takes it; "" = nothing. */
  readonly details: string
}

export const clientHelp = '[CLUSTER/][ROLE/]NAMESPACE/NAME'

/** Reads "shop/web", "west/shop/web", "gateway/infra/ingress" and "west/gateway/infra/ingress". Throws CliError `usage`. */
export const parseClient = (text: string): ClientName => {
  const comma = text.indexOf(',')
  const path = comma === -1 ? text : text.slice(0, comma)
  const parts = path.split('/')
  const [name = '', namespace = '', ...before] = parts.toReversed()
  const [last, ...rest] = before
  const role = last !== undefined && isProxyRole(last) ? last : undefined
  const [cluster, ...more] = role === undefined ? before : rest
  if (name === '' || namespace === '' || cluster === '' || more.length > 0)
    throw new CliError('usage', `${text} is not the name of a workload`, {
      remedy: `It reads ${clientHelp}; NAME is that of a Deployment, a pod, a machine or a service account.`,
    })
  return { cluster, role, namespace, name, details: comma === -1 ? '' : text.slice(comma) }
}
