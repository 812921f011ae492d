import type { PlaneQuery } from '#agent/uplink/uplink-session.ts'
import type { AdsServer } from './ads-server.ts'

/** What the plane asks of this replica's proxies. */
export const toPlaneAnswerer =
  (ads: Pick<AdsServer, 'proxies' | 'proxyConfig' | 'delivery'>) =>
  (query: PlaneQuery): unknown => {
    switch (query.kind) {
      case 'proxies':
        return ads.proxies()
      case 'proxy-config':
        return ads.proxyConfig(query.proxy)
      case 'absent-proxies':
        return ads.delivery.absent()
    }
  }
