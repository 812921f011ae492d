/** For which requests a route configuration is. */
export interface RouteScope {
  /** Of the route configuration; without "/", which parts it from the names of its virtual hosts. */
  readonly name: string
  /** Of the services that it has virtual hosts for; undefined = of an HTTP proxy, where requests name host and port. */
  readonly port: number | undefined
}

export const toScopeKey = ({ name, port }: RouteScope): string => `${name}=${port ?? '*'}`
