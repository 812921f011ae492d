import { requestThroughProxy, type ProxyReply } from '#test/harness/proxy-request.ts'
import type { Check } from './authorizers.ts'
import { clientAddress, proxyPort } from './theatre.ts'

const asked = { service: 'policy/authz.policy.svc.cluster.local' }
const http = { ...asked, port: 80 }
const grpc = { ...asked, port: 90 }
/** Nobody listens there. */
const down = { ...asked, port: 92 }

const script = `
function envoy_on_request(handle)
  if string.find(handle:headers():get(":path"), "deny") then handle:respond({[":status"] = "418"}, "says the script") end
end
function envoy_on_response(handle)
  handle:headers():add("x-script", "ran")
end`

/** Extension providers that policies of the action CUSTOM, and ProxyExtensions, name. */
export const providers = [
  { name: 'http', envoyExtAuthzHttp: http },
  {
    name: 'http-all',
    envoyExtAuthzHttp: {
      ...http,
      pathPrefix: '/check',
      includeRequestHeadersInCheck: ['x-user', 'x-ask-*', '*-asked'],
      includeAdditionalHeadersInCheck: { 'x-from': '100%%', 'x-method': '%REQ(:METHOD)%' },
      includeRequestBodyInCheck: { maxRequestBytes: 5, allowPartialMessage: true },
      headersToUpstreamOnAllow: ['x-verdict*'],
      headersToDownstreamOnAllow: ['*-note'],
      headersToDownstreamOnDeny: ['X-Why'],
    },
  },
  {
    name: 'http-whole',
    envoyExtAuthzHttp: { ...http, includeRequestBodyInCheck: { maxRequestBytes: 5 } },
  },
  { name: 'http-old', envoyExtAuthzHttp: { ...http, includeHeadersInCheck: ['x-user'] } },
  { name: 'http-patient', envoyExtAuthzHttp: { ...http, timeout: '100ms', statusOnError: '504' } },
  { name: 'grpc', envoyExtAuthzGrpc: { ...grpc, includeRequestBodyInCheck: { maxRequestBytes: 100 } } },
  { name: 'down', envoyExtAuthzHttp: down },
  { name: 'down-503', envoyExtAuthzHttp: { ...down, statusOnError: '503' } },
  { name: 'down-open', envoyExtAuthzHttp: { ...down, failOpen: true } },
  { name: 'grpc-down', envoyExtAuthzGrpc: { ...asked, port: 93, statusOnError: '503' } },
  { name: 'grpc-down-open', envoyExtAuthzGrpc: { ...asked, port: 93, failOpen: true } },
  { name: 'no-grpc', envoyExtAuthzGrpc: { ...asked, port: 80, failOpen: true } },
  { name: 'no-port', envoyExtAuthzHttp: { ...asked, port: 79, failOpen: true } },
  { name: 'no-service', envoyExtAuthzGrpc: { service: 'nowhere.example', port: 80, failOpen: true } },
  { name: 'logs', envoyFileAccessLog: {} },
  { name: 'script', lua: { namespaces: ['default'], code: script } },
  { name: 'script-everywhere', lua: { namespaces: ['*'], code: script } },
  { name: 'script-elsewhere', lua: { namespaces: ['shop'], code: script } },
  { name: 'script-broken', lua: { namespaces: ['*'], code: 'function envoy_on_request(' } },
  { name: 'processor', extProc: { ...asked, port: 94, namespaces: ['default'] } },
  { name: 'processor-down', extProc: { ...asked, port: 93, namespaces: ['*'], statusOnError: '504' } },
  { name: 'processor-down-open', extProc: { ...asked, port: 93, namespaces: ['*'], failOpen: true } },
  { name: 'processor-no-grpc', extProc: { ...asked, port: 80, namespaces: ['*'], failOpen: true } },
]

interface ExtensionRow {
  readonly provider: string
  readonly status: number
  readonly answered?: Headers
  /** Headers that the application sees. */
  readonly seen?: Headers
  /** What a path with "deny" in it is answered. */
  readonly denied: number
}

/** What a provider makes of requests. */
export const extensionRows: Readonly<Record<string, ExtensionRow>> = {
  'a script': { provider: 'Script', status: 200, answered: { 'x-script': 'ran' }, denied: 418 },
  'a script that all may name': {
    provider: 'script-everywhere',
    status: 200,
    answered: { 'x-script': 'ran' },
    denied: 418,
  },
  'a script of another namespace': { provider: 'script-elsewhere', status: 403, denied: 403 },
  'a server': {
    provider: 'processor',
    status: 200,
    answered: { 'x-processed': 'yes' },
    seen: { 'x-processed': 'yes' },
    denied: 451,
  },
  'a server that is down': { provider: 'processor-down', status: 504, denied: 504 },
  'a server that is down and fails open': { provider: 'processor-down-open', status: 200, denied: 200 },
  'a server that does not speak gRPC': { provider: 'processor-no-grpc', status: 403, denied: 403 },
  'one that there is not': { provider: 'unheard-of', status: 403, denied: 403 },
  'one that proxies can not run': { provider: 'http', status: 403, denied: 403 },
}

export interface AskedCall {
  readonly path: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export const askFor = ({ path, ...options }: AskedCall): Promise<ProxyReply> =>
  requestThroughProxy({ host: clientAddress, port: proxyPort }, `http://server.default${path}`, options)

/** Paths of which the policies of the rows are. */
export const toAsk = { rules: [{ to: [{ operation: { paths: ['/ask*'] } }] }] }

type Headers = Readonly<Record<string, string | undefined>>

interface Row {
  readonly provider: string
  readonly call: AskedCall
  /** What the client is answered, and of its headers. */
  readonly status: number
  readonly answered?: Headers
  /** Headers that the application sees. */
  readonly seen?: Headers
  /** What the provider sees; absent = it is not asked. */
  readonly check?: Partial<Check>
  readonly told?: Headers
}

/** "who decides how": the call and what becomes of it. */
export const providerRows: Readonly<Record<string, Row>> = {
  'HTTP that allows': {
    provider: 'http',
    call: { path: '/ask/a?b=c', headers: { 'x-user': 'me', authorization: 'Bearer a' } },
    status: 200,
    seen: { 'x-verdict-of': undefined },
    answered: { 'x-note': undefined },
    check: { path: '/ask/a?b=c', body: '' },
    told: { host: 'server.default', authorization: 'Bearer a', 'x-user': undefined },
  },
  'HTTP that denies, with all that it says': {
    provider: 'HTTP',
    call: { path: '/ask/deny' },
    status: 401,
    answered: { 'x-why': 'because', 'x-other': 'secret' },
    check: { path: '/ask/deny' },
  },
  'HTTP with every field, which allows': {
    provider: 'http-all',
    call: {
      path: '/ask/a',
      method: 'POST',
      headers: {
        'x-user': 'me',
        'x-ask-one': '1',
        'is-asked': '2',
        'x-not': '3',
        'x-from': 'me',
        'x-verdict-of': 'me',
      },
      body: 'a longer body',
    },
    status: 200,
    seen: { 'x-verdict-of': 'http', 'x-other': undefined, 'x-from': 'me' },
    answered: { 'x-note': 'seen', 'x-other': undefined },
    check: { path: '/check/ask/a', body: 'a lon' },
    told: {
      'x-user': 'me',
      'x-ask-one': '1',
      'is-asked': '2',
      'x-not': undefined,
      'x-from': '100%',
      'x-method': 'POST',
      'x-envoy-auth-partial-body': 'true',
    },
  },
  'HTTP, without a header that its client has sent instead': {
    provider: 'http-all',
    call: { path: '/ask/a', headers: { 'x-verdict-more': 'me' } },
    status: 200,
    seen: { 'x-verdict-of': 'http', 'x-verdict-more': 'me' },
    check: { path: '/check/ask/a' },
  },
  'HTTP with every field, which denies': {
    provider: 'http-all',
    call: { path: '/ask/deny' },
    status: 401,
    answered: { 'x-why': 'because', 'x-other': undefined },
    check: { path: '/check/ask/deny' },
  },
  'HTTP by a name that Istio had before': {
    provider: 'http-old',
    call: { path: '/ask/a', headers: { 'x-user': 'me' } },
    status: 200,
    check: { path: '/ask/a' },
    told: { 'x-user': 'me' },
  },
  'HTTP that fails': { provider: 'http', call: { path: '/ask/fail' }, status: 403, check: { path: '/ask/fail' } },
  'HTTP that says nothing': {
    provider: 'http-patient',
    call: { path: '/ask/silence' },
    status: 504,
    check: { path: '/ask/silence' },
  },
  'HTTP that takes no such body': {
    provider: 'http-whole',
    call: { path: '/ask/a', method: 'POST', body: 'a longer body' },
    status: 413,
  },
  'gRPC that allows': {
    provider: 'grpc',
    call: { path: '/ask/a', method: 'POST', body: 'all of it', headers: { 'x-verdict-of': 'me' } },
    status: 200,
    seen: { 'x-verdict-of': 'grpc' },
    check: { path: '/ask/a', body: 'all of it', principal: 'spiffe://td.example/ns/default/sa/web' },
  },
  'gRPC that denies': {
    provider: 'grpc',
    call: { path: '/ask/deny' },
    status: 401,
    answered: { 'x-why': 'because' },
    check: { path: '/ask/deny' },
  },
  'one that is down': { provider: 'down', call: { path: '/ask/a' }, status: 403 },
  'one that is down, with a status of its own': { provider: 'down-503', call: { path: '/ask/a' }, status: 503 },
  'one that is down and fails open': { provider: 'down-open', call: { path: '/ask/a' }, status: 200 },
  'gRPC that is down': { provider: 'grpc-down', call: { path: '/ask/a' }, status: 503 },
  'gRPC that is down and fails open': { provider: 'grpc-down-open', call: { path: '/ask/a' }, status: 200 },
  'gRPC at a port that is not of it': { provider: 'no-grpc', call: { path: '/ask/a' }, status: 403 },
  'a port that there is not': { provider: 'no-port', call: { path: '/ask/a' }, status: 403 },
  'a service that there is not': { provider: 'no-service', call: { path: '/ask/a' }, status: 403 },
  'nobody that is known': { provider: 'unheard-of', call: { path: '/ask/a' }, status: 403 },
  'one that is asked other things': { provider: 'logs', call: { path: '/ask/a' }, status: 403 },
}

/** Of headers those that `wanted` has. */
export const pick = (
  headers: Readonly<Record<string, unknown>>,
  wanted: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> => Object.fromEntries(Object.keys(wanted).map((name) => [name, headers[name]]))
