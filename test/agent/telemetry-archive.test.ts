import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect, test } from 'vitest'
import { writeSegment } from '#worker/telemetry/archive/segment-file.ts'
import { sortByDay } from '#worker/telemetry/archive/sort-by-day.ts'
import { RecordTable } from '#worker/telemetry/records/record-table.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const DAY_US = 24 * 60 * 60 * 1_000_000
const startUs = Date.UTC(2026, 10, 27, 12) * 1000
const RECORDS = 24_000

/** Every other record is of the day before; none is in order. */
const makeRecords = (): RecordTable => {
  const table = new RecordTable()
  for (let index = 0; index < RECORDS; index += 1) {
    table.begin()
    table.set('time', startUs - (index % 2) * DAY_US + ((index * 7919) % 1_000_000))
    table.set('duration_us', index)
    table.set('response_code', index % 100 === 0 ? 503 : 200)
    table.set('destination_canonical_service', `service-${index % 3}`)
    table.set('path', index === 0 ? '=1+1\n\u001b[31m"🙂' : `/items/${index}`)
    if (index % 4 === 0) table.set('attributes', JSON.stringify({ 'my.tag': `v${index % 8}` }))
    table.set('record_id', 65_536 + index)
  }
  return table
}

test('DuckDB reads the archive as it is', async () => {
  const folder = temporaryDirectory()
  for (const [day, records] of sortByDay(makeRecords())) {
    mkdirSync(join(folder, day))
    writeFileSync(join(folder, day, 'a.parquet'), new Uint8Array(writeSegment('logs', records).bytes))
  }
  const spans = new RecordTable()
  spans.begin()
  spans.set('time', startUs)
  spans.set('name', 'checkout')
  mkdirSync(join(folder, 'traces'))
  writeFileSync(join(folder, 'traces', 'a.parquet'), new Uint8Array(writeSegment('traces', spans).bytes))

  const duckdb = await (await DuckDBInstance.create(':memory:')).connect()
  const query = async (sql: string) => (await duckdb.runAndReadAll(sql)).getRowsJson()
  const logs = `read_parquet('${folder}/2026-*/*.parquet')`
  expect(
    await query(
      `SELECT destination_canonical_service, count(*), sum(duration_us), count(*) FILTER (response_code >= 500), attributes->>'my.tag' AS tag
       FROM ${logs} GROUP BY ALL ORDER BY ALL LIMIT 2`,
    ),
  ).toEqual([
    ['service-0', '1000', '11988000', '40', 'v0'],
    ['service-0', '1000', '12000000', '40', 'v4'],
  ])
  expect(await query(`SELECT path FROM ${logs} WHERE record_id = 65536`)).toEqual([['=1+1\n\u001b[31m"🙂']])
  expect(
    await query(`SELECT count(*), min(time)::VARCHAR, any_value(typeof(time)) FROM ${logs} WHERE time >= '2026-11-27'`),
  ).toEqual([['12000', '2026-11-27 12:00:00', 'TIMESTAMP']])
  const file = `'${folder}/2026-11-27/a.parquet'`
  expect(
    await query(
      `SELECT row_group_num_rows, any_value(compression), stats_min_value < stats_max_value FROM parquet_metadata(${file}) WHERE path_in_schema = 'time' GROUP BY ALL ORDER BY ALL`,
    ),
  ).toEqual([
    ['2000', 'SNAPPY', true],
    ['10000', 'SNAPPY', true],
  ])
  expect(await query(`SELECT count(*) FROM (SELECT time < lag(time) OVER () AS back FROM ${file}) WHERE back`)).toEqual(
    [['0']],
  )
  expect(await query(`SELECT name, events FROM '${folder}/traces/a.parquet'`)).toEqual([['checkout', null]])
})
