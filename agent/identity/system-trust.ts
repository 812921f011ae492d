import { getCACertificates } from 'node:tls'
import { ResourceSet } from '#xds/resource-set.ts'
import { buildSystemTrustSecret } from './secret-resources.ts'

let systemTrust: ResourceSet | undefined

/** The certificate authorities of this machine, else Node's own, as they were when first asked for. */
export const toSystemTrustSet = (): ResourceSet => {
  if (!systemTrust) {
    systemTrust = new ResourceSet('system-trust')
    const system = getCACertificates('system')
    systemTrust.apply([buildSystemTrustSecret(system.length > 0 ? system : getCACertificates('bundled'))])
  }
  return systemTrust
}
