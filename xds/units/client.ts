/** What tells classes of sidecars apart, beside their Sidecar object. */
export interface Client {
  readonly namespace: string
  /** "region/zone/subzone"; "" when unknown. */
  readonly locality: string
  /** Whether their traffic is captured. */
  readonly isCaptured: boolean
}

export const toClientKey = ({ namespace, locality, isCaptured }: Client): string =>
  `${namespace}|${locality}${isCaptured ? '|captured' : ''}`
