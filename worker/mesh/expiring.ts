import type { Trust } from '#api/schemas/trust.ts'
import { listTrustedIntermediates } from './certificates.ts'
import { listMembers } from './clusters.ts'
import { listIssuers } from './issuer-list.ts'
import { listRoots } from './roots.ts'
import { renewsItself } from './rotation/rotation-commands.ts'

type Expiring = Trust['expiring'][number]

const DAY_MS = 24 * 60 * 60 * 1000
/** The plane begins to rotate its own two years before: a year later somebody has kept it from it. */
const OWN_ROOT_MS = 365 * DAY_MS
const BROUGHT_ROOT_MS = 180 * DAY_MS
const ISSUER_MS = 30 * DAY_MS
/** Of an intermediate's life, which is renewed at half. */
const OVERDUE_SHARE = 0.65

/** What ends, or should have been renewed by now, while there is time to do something about it. */
export const listExpiring = (sql: SqlStorage, nowMs: number): Expiring[] => [
  ...listRoots(sql).flatMap((root): Expiring[] => {
    const isOwn = renewsItself(root)
    if (root.trusted === 0 || root.signing === 0) return []
    if (root.notAfter - nowMs >= (isOwn ? OWN_ROOT_MS : BROUGHT_ROOT_MS)) return []
    const message = isOwn
      ? 'the root ends in less than a year, and its rotation waits for somebody: atoll trust rotation show'
      : 'the root that was brought ends in less than half a year: bring its successor (atoll trust rotate --chain)'
    return [{ kind: 'root', cluster: null, serial: root.serial, notAfter: toTimestamp(root.notAfter), message }]
  }),
  ...listClusters(sql, nowMs),
  ...listIssuers(sql).flatMap(({ name, serial, notAfterMs }): Expiring[] =>
    notAfterMs - nowMs >= ISSUER_MS
      ? []
      : [
          {
            kind: 'issuer',
            cluster: null,
            serial,
            notAfter: toTimestamp(notAfterMs),
            message: `the external issuer ${name} ends in less than 30 days: add its successor, or remove it`,
          },
        ],
  ),
]

const listClusters = (sql: SqlStorage, nowMs: number): Expiring[] => {
  const trusted = Map.groupBy(listTrustedIntermediates(sql), ({ cluster }) => cluster)
  return listMembers(sql).flatMap(({ name }): Expiring[] => {
    const newest = (trusted.get(name) ?? []).toSorted((left, right) => right.notAfterMs - left.notAfterMs)[0]
    if (!newest || newest.notAfterMs <= nowMs) {
      const message = `${name} has no intermediate that is good: nobody believes its workloads. It gets one when its agent is connected again`
      return [{ kind: 'intermediate', cluster: name, serial: newest?.serial ?? null, notAfter: null, message }]
    }
    const { serial, notBeforeMs, notAfterMs } = newest
    if (nowMs - notBeforeMs < OVERDUE_SHARE * (notAfterMs - notBeforeMs)) return []
    const message = `the intermediate of ${name} should have been renewed at half of its life: is its agent connected?`
    return [{ kind: 'intermediate', cluster: name, serial, notAfter: toTimestamp(notAfterMs), message }]
  })
}

const toTimestamp = (ms: number): string => new Date(ms).toISOString()
