import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { Listener } from '#xds/model/listener.ts'
import type { TcpPath } from './compile-service-tcp.ts'

/**
 * A listener of TLS that is passed on: what the client asks for says which way. A way that names no host is that of its service's name. The first
 * of several for one host counts.
 */
export const compileTlsChains = (
  paths: readonly (TcpPath & { readonly hostname: string })[],
): Pick<Listener, 'inspectors' | 'chains' | 'selection'> => {
  const byHost = new Map<string, TcpPath>()
  for (const path of paths)
    for (const host of path.serverNames.length > 0 ? path.serverNames : [path.hostname])
      getOrAdd(byHost, host, () => path)
  return {
    inspectors: [{ kind: 'tls' }],
    chains: [...byHost].map(([host, { handler }]) => ({ name: host, match: {}, handler })),
    selection: {
      byServerName: [...byHost.keys()].map((host) => ({ host, chain: host })),
      http: undefined,
      byAddress: [],
    },
  }
}
