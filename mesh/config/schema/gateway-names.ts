import { z } from 'zod'
import { fqdnFault, isDnsLabel } from './host-names.ts'
import { checked, fieldNotes } from './message.ts'

const nameFault = (name: string): string | undefined => {
  const slash = name.indexOf('/')
  if (slash === -1) return fqdnFault(name)
  return isDnsLabel(name.slice(0, slash)) && isDnsLabel(name.slice(slash + 1))
    ? undefined
    : 'reads <namespace>/<gateway>'
}

/** Which gateways a route is for; the reserved "mesh" means the sidecars. */
export const gatewayNames = checked(z.array(z.string()), ({ value, report }) => {
  for (const [index, name] of value.entries()) {
    const fault = nameFault(name)
    if (fault !== undefined) report(`is not the name of a gateway: ${fault}`, [index])
    else if (name !== 'mesh')
      report('only "mesh" (the sidecars) is supported: Gateway objects come later', [index], { problem: 'unsupported' })
  }
})
  .optional()
  .register(fieldNotes, { limit: 'only `mesh`' })
