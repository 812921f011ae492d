import { firstRow } from '../context.ts'

/** Until when rates may have been leased, as it was told ahead; undefined = never. */
export const readRatesUntil = (sql: SqlStorage): number | undefined =>
  firstRow(sql.exec<{ until: number }>('SELECT until FROM rate_mark'))?.until

export const writeRatesUntil = (sql: SqlStorage, untilMs: number): void => {
  sql.exec('INSERT OR REPLACE INTO rate_mark (only_row, until) VALUES (1, ?)', untilMs)
}
