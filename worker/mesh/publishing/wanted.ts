/**
 * Whether what clusters publish has to be worked out anew. It is asked for by whatever may change it, in the transaction that does, and done
 * later and for all of it at once: worker/configuration/publish-candidates.ts.
 */
export const wantPublishing = (sql: SqlStorage): void => {
  sql.exec('UPDATE mesh SET publish_wanted = publish_wanted + 1')
}

/** As far as it has been asked for: what `finishPublishing` is told when that much is done. */
export const readWanted = (sql: SqlStorage): number =>
  sql.exec<{ wanted: number }>('SELECT publish_wanted AS wanted FROM mesh').one().wanted

export const isPublishingWanted = (sql: SqlStorage): boolean =>
  sql.exec<{ due: number }>('SELECT count(*) AS due FROM mesh WHERE publish_wanted > publish_done').one().due > 0

/** What clusters ask for is half told: a pass that is under way has to look again, and none is due for it. */
export const noteChange = (sql: SqlStorage): void => {
  sql.exec('UPDATE mesh SET publish_wanted = publish_wanted + 1, publish_done = publish_done + 1')
}

export const finishPublishing = (sql: SqlStorage, wanted: number): void => {
  sql.exec('UPDATE mesh SET publish_done = ?', wanted)
}
