import type { TestMesh } from './test-plane.ts'

/** A DestinationRule for the service of its name, with subsets by version. */
export const toRule = (name: string, ...subsets: readonly string[]): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}, namespace: default }
spec:
  host: ${name}.default.svc.cluster.local
  subsets: [${subsets.map((subset) => `{ name: ${subset}, labels: { version: ${subset} } }`).join(', ')}]
`

/** A VirtualService that sends all requests of the service of its name to one subset. */
export const toRoute = (name: string, subset: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: default }
spec:
  hosts: [${name}.default.svc.cluster.local]
  http: [{ route: [{ destination: { host: ${name}.default.svc.cluster.local, subset: ${subset} } }] }]
`

export const apply = (mesh: TestMesh, yaml: string) => mesh.send('POST', '/configuration', { yaml })
