import { catalogEntry } from '#mesh/service.ts'
import type { CatalogEntry, Endpoint, Service } from '#mesh/service.ts'

export interface TestService {
  readonly cluster: string
  readonly network: string
  readonly name: string
  readonly namespace?: string
  readonly endpoints?: number
  readonly exportTo?: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
  readonly service?: Partial<Service>
  readonly endpoint?: Partial<Endpoint>
}

/** A service with some endpoints, as a cluster reports it. */
export const toTestEntry = ({
  cluster,
  network,
  name,
  namespace = 'default',
  endpoints = 1,
  ...rest
}: TestService): CatalogEntry => {
  const hostname = `${name}.${namespace}.svc.cluster.local`
  return catalogEntry.parse({
    service: {
      key: `${namespace}/${hostname}`,
      namespace,
      hostname,
      addresses: [],
      ports: [{ name: 'http', number: 80, protocol: 'http' }],
      resolution: 'static',
      location: 'mesh-internal',
      exportTo: rest.exportTo ?? ['*'],
      source: 'service',
      labels: {},
      subjectAltNames: [],
      ...rest.service,
    },
    endpoints: Array.from({ length: endpoints }, (_, index) => ({
      id: `${name}-${index}`,
      cluster,
      network,
      locality: 'r1/z1',
      address: `10.0.0.${index + 1}`,
      ports: { http: 8080 },
      labels: rest.labels ?? { app: name },
      weight: 1,
      health: 'healthy',
      serviceAccount: name,
      tls: 'mutual',
      ...rest.endpoint,
    })),
  })
}
