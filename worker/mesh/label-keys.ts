import { z } from 'zod'
import type { ConfigObject } from '#mesh/config-object.ts'
import { partOfMessage } from '#mesh/config/schema/message.ts'
import { toToldLabels } from '#mesh/failover-labels.ts'
import { resolveHost } from '#mesh/merge/resolve-host.ts'
import type { Service } from '#mesh/service.ts'
import { readMeshRow } from './mesh-row.ts'

/** The part of a stored DestinationRule that is read here; the object was checked against its whole schema when it was applied. */
const balanced = {
  loadBalancer: partOfMessage({
    localityLbSetting: partOfMessage({ failoverPriority: z.array(z.string()).optional() }).optional(),
  }).optional(),
}
const policy = partOfMessage({
  ...balanced,
  portLevelSettings: z.array(partOfMessage(balanced)).optional(),
}).optional()
const subsetRule = partOfMessage({
  host: z.string(),
  subsets: z
    .array(partOfMessage({ labels: z.record(z.string(), z.string()).optional(), trafficPolicy: policy }))
    .optional(),
  trafficPolicy: policy,
})

const none: ReadonlySet<string> = new Set()

/** The labels by which somebody tells the endpoints of a service apart: what a summary has to keep of them. */
export class LabelKeys {
  readonly #exact = new Map<string, Set<string>>()
  /** By the text after "*". */
  readonly #wildcards = new Map<string, Set<string>>()

  constructor(rules: Iterable<Pick<ConfigObject, 'metadata' | 'spec'>>, domainSuffix: string) {
    for (const { metadata, spec } of rules) {
      const { data: rule } = subsetRule.safeParse(spec)
      // Another version had accepted what this one does not read.
      if (!rule) continue
      const host = resolveHost(rule.host, metadata.namespace, domainSuffix)
      const [map, name] = host.startsWith('*') ? [this.#wildcards, host.slice(1)] : [this.#exact, host]
      map.set(name, new Set([...(map.get(name) ?? none), ...toToldLabels(rule)]))
    }
  }

  of({ hostname }: Pick<Service, 'hostname'>): ReadonlySet<string> {
    const exact = this.#exact.get(hostname) ?? none
    const wild = [...this.#wildcards].filter(([suffix]) => hostname.endsWith(suffix))
    return wild.length === 0 ? exact : new Set([...exact, ...wild.flatMap(([, keys]) => [...keys])])
  }
}

const readLabelKeys = (sql: SqlStorage, domainSuffix: string): LabelKeys => {
  const rules = sql
    .exec<{ document: string }>(`SELECT document FROM objects WHERE kind = 'DestinationRule'`)
    .toArray()
    .map(({ document }) => JSON.parse(document) as ConfigObject)
  return new LabelKeys(rules, domainSuffix)
}

/** The label keys that the mesh's DestinationRules ask for, read again only when one of them has changed. */
export const toLabelKeySource = (sql: SqlStorage): (() => LabelKeys) => {
  let known: { readonly version: string; readonly keys: LabelKeys } | undefined
  return () => {
    const { domainSuffix } = readMeshRow(sql).settings
    const { rules, newest } = sql
      .exec<{ rules: number; newest: number | null }>(
        `SELECT count(*) AS rules, max(revision) AS newest FROM objects WHERE kind = 'DestinationRule'`,
      )
      .one()
    const version = [rules, newest, domainSuffix].join('/')
    if (known?.version !== version) known = { version, keys: readLabelKeys(sql, domainSuffix) }
    return known.keys
  }
}
