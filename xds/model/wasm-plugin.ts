/** Where requests or connections meet a plugin: before tokens are verified, before it is asked who may call, after that, at last. */
export type PluginPhase = 'authn' | 'authz' | 'stats' | 'last'

/** A plugin as listeners know it: they name its filter, and ECDS says what that does. */
export interface PlacedPlugin {
  /** Of the filter. */
  readonly name: string
  readonly layer: 'http' | 'network'
  readonly phase: PluginPhase
  /** For which traffic it is, of any of these; empty = of all. */
  readonly traffic: readonly {
    readonly side?: TrafficSide
    /** Empty = all. */
    readonly ports: readonly number[]
  }[]
}

/** On which side of a call the proxy is; what a gateway passes on it calls itself. */
export type TrafficSide = 'client' | 'server'

/** What a plugin's filter does. */
export interface RunPlugin extends Pick<PlacedPlugin, 'name' | 'layer'> {
  /** The key of its object. */
  readonly object: string
  readonly onFailure: 'close' | 'open' | 'reload'
  /** Absent = it can not be run. */
  readonly runs?: {
    /** "<namespace>.<name>": of statistics and logs. */
    readonly label: string
    readonly code: Uint8Array
    /** Which of the module's plugins it is; "" = its only one. */
    readonly rootId: string
    /** What it is told when it starts; "" = nothing. */
    readonly configuration: string
    readonly hostVariables: readonly string[]
    readonly variables: Readonly<Record<string, string>>
  }
}
