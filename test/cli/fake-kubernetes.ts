import type { KubernetesRequest, KubernetesTransport } from '#cli/kubernetes/kubernetes-transport.ts'

export interface FakeCluster {
  readonly version?: string
  /** By path; every other path has nothing. */
  readonly objects?: Readonly<Record<string, object>>
  /** "create deployments" */
  readonly forbidden?: readonly string[]
}

/** An API server of what a test says is there; it takes no writes. */
export const fakeKubernetes = ({
  version = 'v1.36.3',
  objects = {},
  forbidden = [],
}: FakeCluster): KubernetesTransport => {
  const answer = ({ method, path, body }: KubernetesRequest) => {
    if (path === '/version') return { status: 200, content: { gitVersion: version } }
    if (path.endsWith('/selfsubjectaccessreviews')) {
      const { spec } = body as { spec: { resourceAttributes: { verb: string; resource: string } } }
      const { verb, resource } = spec.resourceAttributes
      return { status: 201, content: { status: { allowed: !forbidden.includes(`${verb} ${resource}`) } } }
    }
    if (method !== 'GET') throw new Error(`${method} ${path} changes something`)
    const content = objects[path.replace(/\?.*/, '')]
    return content === undefined ? { status: 404, content: undefined } : { status: 200, content }
  }
  return { server: 'https://api.test', send: (request) => Promise.resolve(answer(request)) }
}
