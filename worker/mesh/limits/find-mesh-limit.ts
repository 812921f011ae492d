import { rateLimit } from '#mesh/config/rate-limit.ts'
import { configObject } from '#mesh/config-object.ts'
import { findLimitOfMesh, parseLimitName, toLimitTerms, type LimitTerms } from '#mesh/limits/limit-terms.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { firstRow } from '../context.ts'

/** The limit of the scope MESH of this name ("RateLimit/<namespace>/<object>/<limit>"), as the mesh's objects have it. */
export const findMeshLimit = (sql: SqlStorage, limit: string): LimitTerms | undefined => {
  const parsed = parseLimitName(limit)
  if (!parsed?.object.startsWith(`${rateLimit.kind}/`)) return undefined
  const row = firstRow(sql.exec<{ document: string }>('SELECT document FROM objects WHERE key = ?', parsed.object))
  const object = row && configObject.safeParse(parseJson(row.document)).data
  const spec = rateLimit.schema.safeParse(object?.spec).data
  const found = spec && findLimitOfMesh(spec, parsed.name)
  return found && toLimitTerms(found)
}
