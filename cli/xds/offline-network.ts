import { networkName } from '#mesh/names.ts'

/** Where all is that files hold, where nothing else is said. */
export const offlineNetwork = networkName.parse('offline')
