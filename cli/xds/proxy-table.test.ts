import { expect, test } from 'vitest'
import { toProxyTable } from './proxy-table.ts'

const shares = (...weights: readonly number[]) => ({
  weighted_clusters: { clusters: weights.map((weight, index) => ({ name: `v${index + 1}`, weight })) },
})

test('what TCP is shared out between is told with the shares of each', () => {
  const table = toProxyTable({
    listeners: [
      { name: 'tcp', filter_chains: [{ filters: [{ typed_config: shares(1, 2) }] }] },
      { name: 'other', filter_chains: [{ filters: [{ typed_config: { cluster: 'v1' } }] }] },
    ],
    routes: [],
    clusters: [],
    endpoints: [],
    filters: [],
  })
  expect(table.split('\n\n')[2]?.split('\n')).toEqual([
    'TCP SHARES OF  TO',
    'tcp            33.3% v1',
    '               66.7% v2',
  ])
})
