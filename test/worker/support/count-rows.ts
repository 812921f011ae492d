/** How many rows there are in each table of ours that has any. */
export const countRows = (sql: SqlStorage): Record<string, number> => {
  const tables = sql
    .exec<{ name: string }>(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('schema_version', 'd1_migrations')",
    )
    .toArray()
    .filter(({ name }) => !/^(sqlite|_cf)_/.test(name))
  const counts = tables.map(({ name }): [string, number] => [
    name,
    sql.exec<{ rows: number }>(`SELECT count(*) AS rows FROM "${name}"`).one().rows,
  ])
  return Object.fromEntries(counts.filter(([, rows]) => rows > 0))
}
