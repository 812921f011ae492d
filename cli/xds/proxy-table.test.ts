import { expect, test } from 'vitest'
import { toProxyTable } from './proxy-table.ts'

const share = (...weights: readonly number[]) => ({
  weighted_clusters: { clusters: weights.map((weight, index) => ({ name: `v${index + 1}`, weight })) },
})

test('what is shared out between clusters is told with the shares of each', () => {
  const table = toProxyTable({
    listeners: [
      { name: 'tcp', filter_chains: [{ filters: [{ typed_config: share(1, 2) }] }] },
      { name: 'other', filter_chains: [{ filters: [{ typed_config: { cluster: 'v1' } }] }] },
    ],
    routes: [
      {
        name: '80',
        virtual_hosts: [
          {
            name: 'reviews',
            domains: ['*'],
            routes: [
              { match: { path: '/one' }, route: { cluster: 'v1' } },
              { match: { prefix: '/api' }, route: share(80, 20) },
              { match: { safe_regex: { regex: '/v.' } }, route: share(0, 50) },
            ],
          },
        ],
      },
    ],
    clusters: [],
    endpoints: [],
  })
  expect(table.split('\n\n')[2]?.split('\n')).toEqual([
    'SHARES OF  MATCH        CLUSTERS',
    'tcp        tcp          v1 33.3%, v2 66.7%',
    'reviews    prefix /api  v1 80%, v2 20%',
    'reviews    regex /v.    v1 0%, v2 100%',
  ])
})
