/** What tells classes of sidecars apart, beside their Sidecar object. */
export interface Client {
  readonly namespace: string
  /** "region/zone/subzone"; "" when unknown. */
  readonly locality: string
  /** Those that failover priorities look at. */
  readonly labels: Readonly<Record<string, string>>
  /** Whether their traffic is captured. */
  readonly isCaptured: boolean
}

export const toClientKey = ({ namespace, locality, labels, isCaptured }: Client): string =>
  `${namespace}|${locality}${toLabelsKey(labels)}${isCaptured ? '|captured' : ''}`

/** "" when there are none. */
export const toLabelsKey = (labels: Client['labels']): string => {
  const entries = Object.entries(labels)
  return entries.length === 0 ? '' : `|${JSON.stringify(entries.sort())}`
}
