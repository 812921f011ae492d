import type { MeshContext } from './context.ts'

/**
 * What the read models in D1 have yet to hear. Topics, not messages: whoever delivers reads the present state, so that a topic
 * which waits long costs no more, and delivering it twice does no harm.
 */
export type Topic = 'mesh'

export const announce = ({ sql, now }: MeshContext, topic: Topic): void => {
  sql.exec(
    'INSERT INTO outbox (topic, since) VALUES (?, ?) ON CONFLICT (topic) DO UPDATE SET since = excluded.since',
    topic,
    now(),
  )
}

export const isOutboxEmpty = (sql: SqlStorage): boolean =>
  sql.exec<{ waiting: number }>('SELECT count(*) AS waiting FROM outbox').one().waiting === 0
