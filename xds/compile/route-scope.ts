/** For which requests a route configuration is. */
export interface RouteScope {
  /** Of the route configuration; without "/", which parts it from the names of its virtual hosts. */
  readonly name: string
  /** Of the services that it has virtual hosts for; undefined = of an HTTP proxy, where requests name host and port. */
  readonly port: number | undefined
  /** Whether its requests are captured: clients may have asked for an address instead of a name. */
  readonly isCaptured: boolean
}

/** Of what is captured on its way to a port. */
export const toCapturedScope = (port: number): RouteScope => ({ name: String(port), port, isCaptured: true })

export const toScopeKey = ({ name, port, isCaptured }: RouteScope): string =>
  `${name}=${port ?? '*'}${isCaptured ? '!' : ''}`
