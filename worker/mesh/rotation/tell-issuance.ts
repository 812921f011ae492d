import { keyOf } from '#mesh/settings.ts'
import { stateKeys } from '#mesh/state.ts'
import type { Issuance } from '#mesh/trust.ts'
import { firstRow } from '../context.ts'
import type { MeshContext } from '../context.ts'
import { countMembers } from '../clusters.ts'
import { readMeshRow } from '../mesh-row.ts'
import { writeState } from '../state-log.ts'
import type { Sessions } from '../uplink/sessions.ts'
import { findHeldVersion } from './advance-rotation.ts'
import { findRotation } from './rotation-row.ts'
import { findIssuingRoot } from './signing-place.ts'

/** Intermediates are asked for at this rate, all clusters together, when all have to have new ones. */
const SECONDS_PER_CLUSTER = 2

/**
 * Tells each cluster of which root its intermediate is to be, and which of those that it has are held by all proxies: what it signs by those
 * is believed everywhere. What was held once is not asked again.
 */
export const tellIssuance = ({ sql, now }: MeshContext, sessions: Sessions): void => {
  const root = findIssuingRoot(sql)
  const rotation = findRotation(sql)
  const held = findHeldVersion(sql, sessions, now())
  const fingerprint = firstRow(
    sql.exec<{ fingerprint: string }>('SELECT fingerprint FROM certificates WHERE serial = ?', root.serial),
  )?.fingerprint
  if (fingerprint === undefined) return
  if (rotation?.paused) return
  const members = sql
    .exec<{ name: string; item: string | null }>(
      `SELECT clusters.name, state.item FROM clusters LEFT JOIN state ON state.key = ? || clusters.name WHERE evicted_at IS NULL`,
      stateKeys.issuance(''),
    )
    .toArray()
  const trusted = Map.groupBy(
    sql
      .exec<{ cluster: string; fingerprint: string; told: number }>(
        `SELECT cluster, fingerprint, told FROM certificates
         WHERE kind = 'intermediate' AND state IN ('current', 'superseded') AND root = ? ORDER BY number`,
        root.keyId,
      )
      .toArray(),
    ({ cluster }) => cluster,
  )
  const { settings } = readMeshRow(sql)
  const keys = { intermediateKey: keyOf(settings, 'intermediate'), leafKey: keyOf(settings, 'leaf') }
  const withinSeconds = countMembers(sql) * SECONDS_PER_CLUSTER
  for (const { name, item } of members) {
    const before =
      item === null
        ? undefined
        : (JSON.parse(item) as { value: Omit<Issuance, 'settled'> & { settled: string[] } }).value
    const own = trusted.get(name) ?? []
    const settled = own.flatMap((one) =>
      before?.settled.includes(one.fingerprint) || (held !== undefined && one.told > 0 && one.told <= held)
        ? [one.fingerprint]
        : [],
    )
    const value = {
      root: fingerprint,
      settled,
      // Agents read it when the root is another, or the key is to be.
      withinSeconds:
        before?.root === fingerprint && before.intermediateKey === keys.intermediateKey
          ? before.withinSeconds
          : withinSeconds,
      ...keys,
    }
    writeState(sql, [
      { key: stateKeys.issuance(name), item: { kind: 'issuance', value }, audience: { to: 'cluster', cluster: name } },
    ])
  }
}
