import type { z } from 'zod'
import { isProxyRole, type Proxy } from '#xds/proxy.ts'
import { isIpAddress } from '#mesh/config/schema/host-names.ts'
import { namespaceName, networkName, objectName } from '#mesh/names.ts'
import { CliError } from '../cli-error.ts'

/** One proxy as a person describes it. */
export interface ProxySpec {
  readonly proxy: Omit<Proxy, 'serviceAccount'>
  /** What was said of its workload; absent = nothing, and the files or defaults decide. */
  readonly labels?: Readonly<Record<string, string>>
  readonly serviceAccount?: string
  readonly address?: string
  readonly locality?: string
  readonly network?: string
  /** "none": its listeners are explicit, as on a machine. */
  readonly capture?: 'none' | 'transparent'
}

export const proxySpecHelp =
  'ROLE/NAMESPACE/WORKLOAD, then as wanted ,labels.KEY=VALUE ,serviceAccount=NAME ,address=IP ,locality=REGION/ZONE/SUBZONE ,network=NAME ,capture=none; ROLE is sidecar, gateway or east-west-gateway'

const fields = ['address', 'locality', 'network', 'capture', 'serviceAccount'] as const

/** Reads "sidecar/default/frontend,labels.app=frontend,locality=eu/a". Throws CliError `usage`. */
export const parseProxySpec = (text: string): ProxySpec => {
  const [name = '', ...parts] = text.split(',')
  const [role, namespace, workload, ...rest] = name.split('/')
  if (role === undefined || !isProxyRole(role) || !namespace || !workload || rest.length > 0)
    throw toFault(text, 'is not the name of a proxy')
  const labels: Record<string, string> = {}
  const given: Partial<Record<(typeof fields)[number], string>> = {}
  for (const part of parts) {
    const equals = part.indexOf('=')
    const key = part.slice(0, Math.max(equals, 0))
    const value = part.slice(equals + 1)
    const field = fields.find((each) => each === key)
    if (key.startsWith('labels.')) labels[key.slice('labels.'.length)] = value
    else if (field) given[field] = value
    else throw toFault(text, `has "${part}", which says nothing of a proxy`)
  }
  const { capture, ...others } = given
  const names: readonly (readonly [z.ZodType, string | undefined])[] = [
    [namespaceName, namespace],
    [objectName, workload],
    [objectName, others.serviceAccount],
    [networkName, others.network],
  ]
  for (const [schema, value] of names) {
    const fault = value === undefined ? undefined : schema.safeParse(value).error?.issues[0]?.message
    if (fault !== undefined) throw toFault(text, `has "${value}": ${fault}`)
  }
  if (others.address !== undefined && !isIpAddress(others.address))
    throw toFault(text, `has the address "${others.address}", which is no IP address`)
  if (capture !== undefined && capture !== 'none' && capture !== 'transparent')
    throw toFault(text, 'has another capture than none or transparent')
  return {
    proxy: { role, namespace, workload },
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(capture && { capture }),
    ...others,
  }
}

const toFault = (text: string, fault: string): CliError =>
  new CliError('usage', `${text} ${fault}`, { remedy: `It reads ${proxySpecHelp}.` })
