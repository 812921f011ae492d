/** What the API server says of a pod that lives. */
export interface KnownPod {
  readonly namespace: string
  readonly name: string
  /** Another pod of the same name has another one. */
  readonly uid: string
  readonly serviceAccount: string
  readonly labels: Readonly<Record<string, string>>
  /** "" as long as it has none. */
  readonly ip: string
  /** The node's name; "" as long as it is on none. */
  readonly node: string
  /** It carries a sidecar that captures its traffic. */
  readonly injected: boolean
  /** It has a proxy of Atoll's whose container has passed its startup probe, and is not to end. */
  readonly proxyStarted: boolean
}

/** The pods of this cluster that have not ended, as the informer last saw them. Looking costs no call. */
export interface PodDirectory {
  /**
   * False until all pods have been read: then an unknown pod says nothing. A pod that has just been made may also be
   * unknown because its event is still on the way.
   */
  readonly complete: boolean
  find(namespace: string, name: string): KnownPod | undefined
  all(): Iterable<KnownPod>
}
