import { toRetention } from '../telemetry/place.ts'
import { openTelemetryStore } from '../telemetry/telemetry-store.ts'
import { listMembers } from './clusters.ts'
import { firstRow } from './context.ts'
import type { MeshContext } from './context.ts'
import { readMeshRow } from './mesh-row.ts'

/**
 * What the stores of clusters' telemetry have yet to hear. An end that is not known to be told stays as of when it was, whatever is kept for how long since: the
 * store would take a later one for another, and with it what the cluster sent after it came back.
 */
const write = ({ sql, now }: MeshContext, cluster: string, isEnd: boolean): void => {
  sql.exec(
    `INSERT INTO telemetry_news (cluster, at, is_end) VALUES (?, ?, ?)
     ON CONFLICT (cluster) DO UPDATE SET at = iif(is_end > excluded.is_end, at, excluded.at), is_end = max(is_end, excluded.is_end)`,
    cluster,
    now(),
    Number(isEnd),
  )
}

/** In a write: the cluster is out of the mesh, and its telemetry is to go with it. */
export const tellOfEnd = (context: MeshContext, cluster: string): void => write(context, cluster, true)

/** In a write: telemetry is kept for another time now. */
export const tellOfRetention = (context: MeshContext): void => {
  for (const { name } of listMembers(context.sql)) write(context, name, false)
}

export const hasTelemetryNews = (sql: SqlStorage): boolean =>
  firstRow(sql.exec('SELECT cluster FROM telemetry_news LIMIT 1')) !== undefined

/** Tells the stores. What fails stays, to be tried again. */
export const sendTelemetryNews = async (sql: SqlStorage, env: Cloudflare.Env): Promise<void> => {
  const news = sql
    .exec<{ cluster: string; at: number; isEnd: number }>('SELECT cluster, at, is_end AS isEnd FROM telemetry_news')
    .toArray()
  for (const { cluster, at, isEnd } of news) {
    const { orgId, meshId, settings } = readMeshRow(sql)
    const place = { orgId, meshId, cluster }
    const store = openTelemetryStore(env, place)
    if (isEnd === 1) await store.end(place, at)
    else await store.keep({ place, retention: toRetention(settings), asOfMs: at })
    sql.exec('DELETE FROM telemetry_news WHERE cluster = ? AND at = ?', cluster, at)
  }
}
