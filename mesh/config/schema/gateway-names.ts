import { z } from 'zod'
import { fqdnFault, isDnsLabel } from './host-names.ts'
import { checked } from './message.ts'

const nameFault = (name: string): string | undefined => {
  const slash = name.indexOf('/')
  if (slash === -1) return fqdnFault(name)
  return isDnsLabel(name.slice(0, slash)) && isDnsLabel(name.slice(slash + 1))
    ? undefined
    : 'reads <namespace>/<gateway>'
}

/** The reserved name that means the sidecars. */
export const meshGateway = 'mesh'

/** Which gateways a route is for: "<namespace>/<gateway>", or the name of one in the object's namespace. */
export const gatewayNames = checked(z.array(z.string()), ({ value, report }) => {
  for (const [index, name] of value.entries()) {
    const fault = nameFault(name)
    if (fault !== undefined) report(`is not the name of a gateway: ${fault}`, [index])
  }
}).optional()

/**
 * The full name, "<namespace>/<name>", of a gateway that an object of a namespace names. A name with dots is Istio's old form,
 * "<name>.<namespace>…".
 */
export const resolveGatewayName = (name: string, namespace: string): string => {
  if (name === meshGateway || name.includes('/')) return name
  const [first = '', ofNamespace = namespace] = name.split('.')
  return `${ofNamespace}/${first}`
}

/** Without gateways a route is for the sidecars. */
export const isForSidecars = (gateways: readonly string[] | undefined): boolean =>
  gateways === undefined || gateways.length === 0 || gateways.includes(meshGateway)
