import type { Cluster } from '#api/schemas/clusters.ts'
import type { AgentMessage } from '#mesh/uplink.ts'
import { runBulk } from './context.ts'

type Probes = Extract<AgentMessage, { type: 'probes' }>

/** Keeps what a cluster's probes say; results that it does not name any more are forgotten. Nothing new costs no write. */
export const storeProbes = (sql: SqlStorage, prober: string, { results }: Probes): void => {
  const rows = results.map(({ cluster, address, port, reachable }) => [cluster, address, port, reachable ? 1 : 0])
  const named = new Set(rows.map((row) => JSON.stringify(row)))
  const stored = sql.exec('SELECT target, address, port, reachable FROM probes WHERE prober = ?', prober).raw()
  const known = [...stored]
  if (known.length === named.size && known.every((row) => named.has(JSON.stringify(row)))) return
  sql.exec('DELETE FROM probes WHERE prober = ?', prober)
  runBulk(
    sql,
    `INSERT OR REPLACE INTO probes (target, prober, address, port, reachable)
     SELECT value ->> 0, ?2, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?1)
     WHERE value ->> 0 <> ?2 AND value ->> 0 IN (SELECT name FROM clusters WHERE evicted_at IS NULL)`,
    rows,
    prober,
  )
}

/** What other clusters' probes say of one cluster's gateways. */
export const listProbes = (sql: SqlStorage, target: string): Cluster['probes'] =>
  sql
    .exec<{ prober: Cluster['name']; address: string; port: number; reachable: number }>(
      'SELECT prober, address, port, reachable FROM probes WHERE target = ? ORDER BY prober, address, port',
      target,
    )
    .toArray()
    .map(({ prober, address, port, reachable }) => ({ from: prober, address, port, reachable: reachable === 1 }))
