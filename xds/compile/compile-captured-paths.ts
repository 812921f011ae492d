import type { ChainSelection, FilterChain, TcpHandler } from '#xds/model/listener.ts'
import type { TcpPath } from './compile-service-tcp.ts'
import { isIpv4Range } from './ip-address.ts'

interface CapturedPaths extends Pick<ChainSelection, 'byServerName' | 'byAddress'> {
  readonly chains: readonly FilterChain[]
  /** For connections that nothing tells apart; undefined = it has none. */
  readonly rest: TcpHandler | undefined
}

/** How captured connections to a port find the ways of a service that shares the listener with others. */
export const compileCapturedPaths = (
  paths: readonly TcpPath[],
  /** `addresses`: where the service is reached; empty = it has none. */
  {
    hostname,
    addresses,
    isTls,
  }: { readonly hostname: string; readonly addresses: readonly string[]; readonly isTls: boolean },
): CapturedPaths => {
  const chains: FilterChain[] = []
  const byServerName: ChainSelection['byServerName'][number][] = []
  const byAddress: ChainSelection['byAddress'][number][] = []
  const taken = new Set<string>()
  let rest: TcpHandler | undefined
  for (const [index, { serverNames, subnets, handler }] of paths.entries()) {
    const chain = index === 0 ? `tcp|${hostname}` : `tcp|${hostname}|${index}`
    const blocks = (subnets.length > 0 ? subnets : addresses).filter(isIpv4Range)
    if (subnets.length > 0 && blocks.length === 0) continue
    const names = serverNames.length > 0 || blocks.length > 0 ? serverNames : [hostname]
    if (isTls && names.length > 0) {
      byServerName.push(...names.map((host) => ({ host, chain, ...(blocks.length > 0 && { addresses: blocks }) })))
    } else if (blocks.length > 0) {
      const free = blocks.filter((block) => !taken.has(block))
      for (const block of free) taken.add(block)
      if (free.length === 0) continue
      byAddress.push({ addresses: free, chain })
    } else {
      rest ??= handler
      continue
    }
    chains.push({ name: chain, match: {}, handler })
  }
  return { chains, byServerName, byAddress, rest }
}
