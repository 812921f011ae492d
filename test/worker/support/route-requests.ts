import { exports } from 'cloudflare:workers'
import { ORIGIN } from './test-plane.ts'

/** What the parameters of routes' paths stand for. What is not there is "x". */
export type PathValues = Readonly<Record<string, string>>

interface Content {
  readonly query?: string
  readonly json?: unknown
  readonly yaml?: string
  readonly form?: string
}

const PROMQL = 'query=up&start=0&end=60&step=60'

const toSidecar = (namespace = 'x'): string => `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: x, namespace: ${namespace} }
spec: { egress: [{ hosts: ['./*'] }] }
`

const byCluster = ({ cluster = 'x' }: PathValues): Content => ({ query: `cluster=${cluster}` })
const byBoth = ({ cluster = 'x', namespace = 'x' }: PathValues): Content => ({
  query: `cluster=${cluster}&namespace=${namespace}`,
})
const mesh = '/v1/meshes/{mesh}'
let names = 0

/** What a request has beside its path, so that it is right by the contract and changes as little as may be. */
const contents: Readonly<Record<string, (values: PathValues) => Content>> = {
  'DELETE /v1/org': () => ({ query: 'name=not-this-one' }),
  'POST /v1/setup': () => ({ json: { setupToken: 'x', org: 'x' } }),
  'POST /v1/tokens': (values) => ({ json: { name: 'x', role: 'viewer', scopes: { mesh: values['mesh'] } } }),
  'POST /v1/members': () => ({ json: { email: `made-${(names += 1)}@example.com`, role: 'viewer' } }),
  'PATCH /v1/members/{id}': () => ({ json: { role: 'viewer' } }),
  'PUT /v1/sign-in': () => ({
    json: { issuer: 'https://10.0.0.1', clientId: 'x', planeUrl: 'https://plane.example.com' },
  }),
  'POST /v1/meshes': () => ({ json: { name: `made-${(names += 1)}` } }),
  [`PATCH ${mesh}`]: () => ({ json: { inboundMtls: 'strict' } }),
  [`POST ${mesh}/clusters/{cluster}/confirm`]: () => ({ json: { hold: 'x' } }),
  [`POST ${mesh}/join-tokens`]: ({ cluster = 'x' }) => ({ json: { cluster, network: 'net-a' } }),
  [`POST ${mesh}/clusters/{cluster}/machine-tokens`]: () => ({
    json: { role: 'sidecar', namespace: 'team', serviceAccount: 'x', workload: 'x' },
  }),
  [`POST ${mesh}/configuration`]: ({ namespace }) => ({ yaml: toSidecar(namespace) }),
  [`GET ${mesh}/configuration`]: ({ namespace = 'x' }) => ({ query: `namespace=${namespace}` }),
  [`DELETE ${mesh}/configuration/{kind}/{namespace}/{name}`]: () => ({ query: 'dryRun=true' }),
  [`POST ${mesh}/publish-grants`]: ({ cluster = 'x', namespace = 'x' }) => ({
    json: { cluster, namespace, kind: 'VirtualService' },
  }),
  [`POST ${mesh}/revisions/{revision}/rollback`]: () => ({ query: 'dryRun=true' }),
  [`GET ${mesh}/services`]: byBoth,
  [`GET ${mesh}/quotas`]: ({ namespace = 'x' }) => ({ query: `namespace=${namespace}` }),
  [`GET ${mesh}/proxies`]: byCluster,
  [`GET ${mesh}/trust/certificates`]: byCluster,
  [`POST ${mesh}/trust/issuers`]: ({ cluster = 'x' }) => ({
    json: { name: 'spire', clusters: [cluster], csrPem: 'no CSR' },
  }),
  [`POST ${mesh}/trust/rotation`]: () => ({ json: {} }),
  [`POST ${mesh}/trust/rotation/continue`]: ({ cluster = 'x' }) => ({ json: { without: cluster } }),
  [`GET ${mesh}/audit`]: byCluster,
  'POST /v1/otlp/v1/{signal}': () => ({ json: { resourceLogs: [] } }),
  [`GET ${mesh}/logs`]: byBoth,
  [`GET ${mesh}/logs/tail`]: byBoth,
  [`GET ${mesh}/traces`]: byCluster,
  [`GET ${mesh}/metrics/services`]: byCluster,
  [`GET ${mesh}/metrics/graph`]: byCluster,
  [`GET ${mesh}/prometheus/api/v1/query`]: () => ({ query: PROMQL }),
  [`GET ${mesh}/prometheus/api/v1/query_range`]: () => ({ query: PROMQL }),
  [`POST ${mesh}/prometheus/api/v1/query`]: () => ({ form: PROMQL }),
  [`POST ${mesh}/prometheus/api/v1/query_range`]: () => ({ form: PROMQL }),
  [`POST ${mesh}/prometheus/api/v1/series`]: () => ({ form: 'start=0' }),
  [`POST ${mesh}/prometheus/api/v1/labels`]: () => ({ form: 'start=0' }),
}

const toBody = ({ json, yaml, form }: Content): { readonly body?: string; readonly type?: string } => {
  if (yaml !== undefined) return { body: yaml, type: 'application/yaml' }
  if (form !== undefined) return { body: form, type: 'application/x-www-form-urlencoded' }
  return json === undefined ? {} : { body: JSON.stringify(json), type: 'application/json' }
}

export interface RouteAnswer {
  readonly status: number
  readonly type: string
  readonly text: string
}

/** Calls a route, "GET /v1/meshes/{mesh}", with a request that is right by the contract. Of events nothing is read. */
export const callRoute = async (route: string, values: PathValues, token: string): Promise<RouteAnswer> => {
  const [method = '', template = ''] = route.split(' ')
  const content = contents[route]?.(values) ?? {}
  const { body, type } = toBody(content)
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? 'x'))
  return readAnswer(
    await exports.default.fetch(
      new Request(`${ORIGIN}${path}${content.query === undefined ? '' : `?${content.query}`}`, {
        method,
        headers: { Authorization: `Bearer ${token}`, ...(type !== undefined && { 'Content-Type': type }) },
        ...(body !== undefined && { body }),
      }),
    ),
  )
}

export const readAnswer = async (response: Response): Promise<RouteAnswer> => {
  const type = response.headers.get('Content-Type') ?? ''
  const isEvents = type.startsWith('text/event-stream')
  if (isEvents) await response.body?.cancel()
  return { status: response.status, type, text: isEvents ? '' : await response.text() }
}
