import type { KubernetesAnswer, KubernetesRequest, KubernetesTransport } from '#cli/kubernetes/kubernetes-transport.ts'

export interface FakeCluster {
  readonly version?: string
  /** By path, JSON or text; every other path has nothing. */
  readonly objects?: Readonly<Record<string, object | string>>
  /** "create deployments" */
  readonly forbidden?: readonly string[]
  /** Says yes to every write, and keeps nothing of it. */
  readonly takesWrites?: true
}

/** An API server of what a test says is there; it takes no writes unless it is told to. */
export const fakeKubernetes = ({
  version = 'v1.36.3',
  objects = {},
  forbidden = [],
  takesWrites,
}: FakeCluster): KubernetesTransport => {
  const answer = ({ method, path, body }: KubernetesRequest) => {
    if (path === '/version') return toAnswer(200, { gitVersion: version })
    if (path.endsWith('/selfsubjectaccessreviews')) {
      const { spec } = body as { spec: { resourceAttributes: { verb: string; resource: string } } }
      const { verb, resource } = spec.resourceAttributes
      return toAnswer(201, { status: { allowed: !forbidden.includes(`${verb} ${resource}`) } })
    }
    if (method !== 'GET' && takesWrites) return toAnswer(200, { metadata: { name: 'x', resourceVersion: '1' } })
    if (method !== 'GET') throw new Error(`${method} ${path} changes something`)
    const content = objects[path.replace(/\?.*/, '')]
    return content === undefined ? toAnswer(404, '') : toAnswer(200, content)
  }
  return { server: 'https://api.test', send: (request) => Promise.resolve(answer(request)) }
}

const toAnswer = (status: number, content: object | string): KubernetesAnswer =>
  typeof content === 'string'
    ? { status, text: content, content: undefined }
    : { status, text: JSON.stringify(content), content }
