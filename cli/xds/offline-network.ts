import { networkName } from '#mesh/names.ts'

/** Where all is that files hold. */
export const offlineNetwork = networkName.parse('offline')
