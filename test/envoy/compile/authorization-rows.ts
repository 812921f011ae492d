import type { JsonObject } from '@bufbuild/protobuf'
import { domain } from '#test/agent/test-pki.ts'
import type { Caller, HttpCall } from './authorization-calls.ts'
import { serverAddress } from './theatre.ts'

/** Where the server's application listens. */
export interface Ports {
  readonly http: string
  readonly tcp: string
}

export type Rule = Readonly<Record<string, unknown>>

export const from = (source: Rule): Rule => ({ from: [{ source }] })
export const to = (operation: Rule): Rule => ({ to: [{ operation }] })
const when = (key: string, ...values: string[]): Rule => ({ when: [{ key, values }] })
const whenNot = (key: string, ...notValues: string[]): Rule => ({ when: [{ key, notValues }] })

/** A rule about requests. */
interface Row {
  readonly rule: (ports: Ports) => Rule
  /** Calls that the rule matches, and such that it does not. */
  readonly matches: readonly HttpCall[]
  readonly leaves: readonly HttpCall[]
}

export const web: HttpCall = {}
export const cart: HttpCall = { from: 'cart' }

/** The claims of those whom the header x-token names. */
export const tokens: Readonly<Record<string, JsonObject & { readonly iss: string }>> = {
  alice: {
    iss: 'https://idp.example',
    sub: 'alice',
    aud: ['shop', 'bank'],
    azp: 'app',
    groups: ['staff', 'admins'],
    realm: { roles: ['reader'], name: 'one' },
    scope: 'read',
  },
  bob: { iss: 'https://idp.example/other', sub: 'bob', aud: 'bank', realm: { name: 'two' } },
  nobody: { iss: 'https://idp.example' },
}
const alice: HttpCall = { headers: { 'x-token': 'alice' } }
const bob: HttpCall = { headers: { 'x-token': 'bob' } }
const noSubject: HttpCall = { headers: { 'x-token': 'nobody' } }

const post: HttpCall = { method: 'POST' }
export const at = (path: string): HttpCall => ({ path })
const atHost = (host: string): HttpCall => ({ host })
const role = (name: string): HttpCall => ({ headers: { 'x-role': name } })
const mark = (name: string): HttpCall => ({ headers: { 'x-mark': name } })
const forwardedFor = (addresses: string): HttpCall => ({ headers: { 'x-forwarded-for': addresses } })

const row = (rule: Rule | Row['rule'], matches: readonly HttpCall[], leaves: readonly HttpCall[]): Row => ({
  rule: typeof rule === 'function' ? rule : () => rule,
  matches,
  leaves,
})

const id = (domain_: string, namespace: string, account: string) => `${domain_}/ns/${namespace}/sa/${account}`
const cartId = id(domain, 'shop', 'cart')
const webId = id(domain, 'default', 'web')

/** What a rule asks of requests, and which calls it matches. */
export const requestRows: Readonly<Record<string, Row>> = {
  'a rule without fields': row({}, [web, cart], []),

  'principals, exact': row(from({ principals: [cartId] }), [cart], [web]),
  'principals, several': row(from({ principals: [cartId, webId] }), [cart, web], []),
  'principals, prefix': row(from({ principals: [`${domain}/ns/shop/*`] }), [cart], [web]),
  'principals, suffix': row(from({ principals: ['*/sa/cart'] }), [cart], [web]),
  'principals, any': row(from({ principals: ['*'] }), [cart, web], []),
  'principals, no more than the whole': row(
    from({ principals: [cartId.slice(0, -1), cartId.slice(1)] }),
    [],
    [cart, web],
  ),
  'principals, cluster.local': row(from({ principals: [id('cluster.local', 'shop', 'cart')] }), [cart], [web]),
  'principals, an alias of the trust domain': row(
    from({ principals: [id('old.example', 'shop', 'cart')] }),
    [cart],
    [web],
  ),
  'principals, an alias and a prefix': row(from({ principals: ['old.example/ns/shop/*'] }), [cart], [web]),
  'principals, an alias is no pattern': row(
    from({
      principals: ['*old.example/ns/shop/sa/cart', 'very.old.example/ns/shop/sa/cart', 'old.example.org/ns/shop/*'],
    }),
    [],
    [cart, web],
  ),
  notPrincipals: row(from({ notPrincipals: [cartId] }), [web], [cart]),
  'notPrincipals, an alias': row(from({ notPrincipals: [id('old.example', 'shop', 'cart')] }), [web], [cart]),

  'namespaces, exact': row(from({ namespaces: ['shop'] }), [cart], [web]),
  'namespaces, prefix and suffix': row(from({ namespaces: ['sh*', '*ault'] }), [cart, web], []),
  'namespaces, a star within': row(from({ namespaces: ['s*p'] }), [cart], [web]),
  'namespaces, a star stays within the name': row(from({ namespaces: ['*cart', 'sho.', 's*cart'] }), [], [cart, web]),
  'namespaces, any': row(from({ namespaces: ['*'] }), [cart, web], []),
  notNamespaces: row(from({ notNamespaces: ['shop'] }), [web], [cart]),

  'serviceAccounts, with a namespace': row(from({ serviceAccounts: ['shop/cart'] }), [cart], [web]),
  "serviceAccounts, of the policy's namespace": row(from({ serviceAccounts: ['web', 'cart'] }), [web], [cart]),
  notServiceAccounts: row(from({ notServiceAccounts: ['shop/cart'] }), [web], [cart]),

  'trustDomains, exact': row(from({ trustDomains: [domain] }), [cart, web], []),
  'trustDomains, an alias': row(from({ trustDomains: ['old.example'] }), [cart, web], []),
  'trustDomains, prefix and suffix': row(from({ trustDomains: ['td.*', '*.example'] }), [cart, web], []),
  'trustDomains, another': row(from({ trustDomains: ['td', '*d', 'td.example.org'] }), [], [cart, web]),
  notTrustDomains: row(from({ notTrustDomains: [domain] }), [], [cart, web]),

  'ipBlocks, an address': row(from({ ipBlocks: ['127.0.0.1'] }), [cart, web], []),
  'ipBlocks, a block': row(from({ ipBlocks: ['127.0.0.0/8', '2001:db8::/32'] }), [cart, web], []),
  'ipBlocks, others': row(from({ ipBlocks: ['127.0.0.2', '10.0.0.0/8', '::1'] }), [], [cart, web]),
  notIpBlocks: row(from({ notIpBlocks: ['127.0.0.1/32'] }), [], [cart, web]),

  'requestPrincipals, exact': row(
    from({ requestPrincipals: ['https://idp.example/alice'] }),
    [alice],
    [bob, noSubject, web],
  ),
  'requestPrincipals, prefix': row(
    from({ requestPrincipals: ['https://idp.example/*'] }),
    [alice],
    [bob, noSubject, web],
  ),
  "requestPrincipals, a subject's prefix": row(
    from({ requestPrincipals: ['https://idp.example/al*'] }),
    [alice],
    [bob, web],
  ),
  "requestPrincipals, an issuer's suffix": row(from({ requestPrincipals: ['*other/bob'] }), [bob], [alice, web]),
  "requestPrincipals, a subject's suffix": row(from({ requestPrincipals: ['*ice'] }), [alice], [bob, web]),
  'requestPrincipals, any': row(from({ requestPrincipals: ['*'] }), [alice, bob], [noSubject, web]),
  notRequestPrincipals: row(from({ notRequestPrincipals: ['https://idp.example/alice'] }), [bob, web], [alice]),
  'notRequestPrincipals, any': row(from({ notRequestPrincipals: ['*'] }), [noSubject, web], [alice, bob]),

  'hosts, exact': row(to({ hosts: ['server.default'] }), [web], [atHost('server.default.svc')]),
  'hosts, whatever their case': row(
    to({ hosts: ['SERVER.Default'] }),
    [web, atHost('Server.DEFAULT')],
    [atHost('server.default.svc')],
  ),
  'hosts, prefix, also of a port': row(to({ hosts: ['server.default:*'] }), [atHost('server.default:80')], [web]),
  'hosts, suffix': row(to({ hosts: ['*.svc'] }), [atHost('server.default.svc')], [web]),
  'hosts, any': row(to({ hosts: ['*'] }), [web], []),
  notHosts: row(to({ notHosts: ['server.default'] }), [atHost('server.default.svc')], [web]),

  ports: row(({ http }) => to({ ports: ['1', http] }), [web], []),
  'ports, another': row(to({ ports: ['80'] }), [], [web]),
  notPorts: row(({ http }) => to({ notPorts: [http] }), [], [web]),

  'methods, exact': row(to({ methods: ['POST', 'PUT'] }), [post], [web]),
  'methods, prefix and suffix': row(to({ methods: ['PO*', '*ETE'] }), [post, { method: 'DELETE' }], [web]),
  'methods, any': row(to({ methods: ['*'] }), [post, web], []),
  notMethods: row(to({ notMethods: ['POST'] }), [web], [post]),

  'paths, exact, without the query': row(to({ paths: ['/a'] }), [at('/a'), at('/a?b=/c')], [web, at('/a/'), at('/A')]),
  'paths, prefix': row(to({ paths: ['/a/*'] }), [at('/a/b'), at('/a/')], [at('/a'), at('/b/a/')]),
  'paths, suffix': row(to({ paths: ['*/z'] }), [at('/a/z'), at('/z?a')], [at('/z/a'), at('/b?/z')]),
  'paths, any': row(to({ paths: ['*'] }), [web, at('/a')], []),
  'paths, as they are after normalisation': row(
    to({ paths: ['/a/b'] }),
    [at('/a/./b'), at('/c/../a/b'), at('/a/%62')],
    [at('/a/b/..')],
  ),
  'paths, as they are sent, of slashes and other letters': row(
    to({ paths: ['/a//b', '/a%2Fb', '/c/d', '/e/', '/f;g=h'] }),
    [at('/a//b'), at('/a%2Fb'), at('/c\\d'), at('/x/../e/.'), at('/e/x/%2e%2e'), at('/f;g=h')],
    [at('/a/b'), at('/a%2fb'), at('/e'), at('/F;g=h')],
  ),
  'paths, a template and letters': row(
    to({ paths: ['/t/{*}', '/u/{**}', '/v/{*}/w/{**}'] }),
    [at("/t/a-._~%41!$&'()*+,;:@="), at('/u/'), at('/u/a/b/'), at('/v/a/w/'), at('/v/a/w/b/c')],
    [at('/t/'), at('/t'), at('/u'), at('/v/a/b/w/x'), at('/v/a/w'), at('/v/w/x')],
  ),
  'paths, a template': row(
    to({ paths: ['/users/{*}/cart'] }),
    [at('/users/1/cart'), at('/users/1/cart?x=1')],
    [at('/users/cart'), at('/users/1/2/cart'), at('/users/1/cart/2')],
  ),
  'paths, a template of any depth': row(
    to({ paths: ['/files/{**}/raw'] }),
    [at('/files/a/raw'), at('/files/a/b/raw')],
    [at('/files/a')],
  ),
  notPaths: row(to({ notPaths: ['/a', '/users/{*}'] }), [web], [at('/a'), at('/users/1')]),

  'when request.headers': row(
    when('request.headers[x-role]', 'admin', 'ro*', '*er'),
    [role('admin'), role('root'), role('writer')],
    [web, role('adm')],
  ),
  'when request.headers, present': row(when('request.headers[X-Role]', '*'), [role('any')], [web]),
  'when request.headers, not': row(whenNot('request.headers[x-role]', 'admin'), [web, role('user')], [role('admin')]),
  'when source.ip': row(when('source.ip', '127.0.0.1'), [cart, web], []),
  'when source.ip, not': row(whenNot('source.ip', '127.0.0.1'), [], [cart, web]),
  'when source.namespace': row(when('source.namespace', 'shop'), [cart], [web]),
  'when source.principal': row(when('source.principal', cartId), [cart], [web]),
  'when source.principal, not': row(whenNot('source.principal', id('old.example', 'shop', 'cart')), [web], [cart]),
  'when source.serviceAccount': row(when('source.serviceAccount', 'shop/cart'), [cart], [web]),
  'when source.trustDomain': row(when('source.trustDomain', domain), [cart, web], []),
  'when source.cluster': row(when('source.cluster', 'east'), [cart, web], []),
  'when source.cluster, prefix and suffix': row(when('source.cluster', 'ea*', '*x'), [cart, web], []),
  'when source.cluster, another': row(when('source.cluster', 'west', 'eas'), [], [cart, web]),
  'when source.cluster, not': row(whenNot('source.cluster', 'west'), [cart, web], []),
  'when source.cluster, not of a namespace': row(
    { ...from({ namespaces: ['shop'] }), ...whenNot('source.cluster', 'west') },
    [cart],
    [web],
  ),
  'when remote.ip': row(
    when('remote.ip', '203.0.113.0/24'),
    [forwardedFor('203.0.113.7')],
    [web, forwardedFor('203.0.113.7, 192.0.2.1')],
  ),
  'when remote.ip, not': row(whenNot('remote.ip', '203.0.113.7'), [web], [forwardedFor('203.0.113.7')]),
  'when destination.ip': row(when('destination.ip', serverAddress), [web], []),
  'when destination.ip, not': row(whenNot('destination.ip', '127.0.0.0/8'), [], [web]),
  'when destination.port': row(({ http }) => when('destination.port', http), [web], []),
  'when connection.sni': row(when('connection.sni', '*.server.default.svc.cluster.local'), [web], []),
  'when connection.sni, not': row(whenNot('connection.sni', '*'), [], [web]),
  'when request.auth.principal': row(when('request.auth.principal', 'https://idp.example/alice'), [alice], [bob, web]),
  'when request.auth.audiences, in a list or alone': row(
    when('request.auth.audiences', 'bank'),
    [alice, bob],
    [noSubject, web],
  ),
  'when request.auth.presenter': row(when('request.auth.presenter', 'app'), [alice], [bob, web]),
  'when request.auth.claims, listed': row(when('request.auth.claims[groups]', 'adm*'), [alice], [bob, web]),
  'when request.auth.claims, nested': row(when('request.auth.claims[realm][name]', 'one'), [alice], [bob, web]),
  'when request.auth.claims, nested and listed': row(
    when('request.auth.claims[realm][roles]', 'reader'),
    [alice],
    [bob, web],
  ),
  'when request.auth.claims, not': row(whenNot('request.auth.claims[groups]', 'staff'), [bob, web], [alice]),
  'when request.auth.claims, present': row(when('request.auth.claims[scope]', '*'), [alice], [bob, web]),
  'when experimental.envoy.filters': row(
    when('experimental.envoy.filters.http.marks[mark]', 'red'),
    [mark('red')],
    [mark('blue'), web],
  ),
  'when experimental.envoy.filters, listed': row(
    when('experimental.envoy.filters.http.marks[marks]', '[red]'),
    [mark('red')],
    [mark('blue'), web],
  ),

  'of one source all fields': row(from({ namespaces: ['shop'], notPrincipals: [cartId] }), [], [cart, web]),
  'one of several sources': row(
    { from: [{ source: { namespaces: ['none'] } }, { source: { namespaces: ['shop'] } }] },
    [cart],
    [web],
  ),
  'one of several sources, and a condition': row(
    {
      from: [{ source: { namespaces: ['none'] } }, { source: { namespaces: ['shop'] } }],
      ...when('request.headers[x-role]', 'admin'),
    },
    [{ ...cart, ...role('admin') }],
    [cart, role('admin')],
  ),
  'of one operation all fields': row(
    to({ methods: ['POST'], paths: ['/a'] }),
    [{ ...post, path: '/a' }],
    [post, at('/a')],
  ),
  'one of several operations': row(
    { to: [{ operation: { methods: ['POST'] } }, { operation: { paths: ['/a'] } }] },
    [post, at('/a')],
    [web],
  ),
  'one of several operations, and a condition': row(
    ({ http }) => ({
      to: [{ operation: { methods: ['POST'] } }, { operation: { paths: ['/a'] } }],
      ...when('destination.port', http),
    }),
    [post, at('/a')],
    [web],
  ),
  'one of several operations, and a condition that does not hold': row(
    { to: [{ operation: { methods: ['POST'] } }, { operation: { paths: ['/a'] } }], ...when('destination.port', '1') },
    [],
    [post, at('/a'), web],
  ),
  'a source, an operation and all conditions': row(
    {
      ...from({ namespaces: ['shop'] }),
      ...to({ paths: ['/a'] }),
      when: [
        { key: 'request.headers[x-role]', values: ['admin'] },
        { key: 'connection.sni', values: ['*'] },
      ],
    },
    [{ ...cart, ...at('/a'), ...role('admin') }],
    [
      { ...cart, ...at('/a') },
      { ...cart, ...role('admin') },
      { ...at('/a'), ...role('admin') },
    ],
  ),
}

const connectionRow = (rule: Rule | Row['rule'], allow: readonly Caller[], deny: readonly Caller[]) => ({
  rule: typeof rule === 'function' ? rule : () => rule,
  allow,
  deny,
})

/** Of connections, as ALLOW and as DENY: who is let in. Both callers are where a rule has nothing to say of them. */
export const connectionRows: Readonly<
  Record<string, { readonly rule: Row['rule']; readonly allow: readonly Caller[]; readonly deny: readonly Caller[] }>
> = {
  principals: connectionRow(from({ principals: [cartId] }), ['cart'], ['web']),
  notPrincipals: connectionRow(from({ notPrincipals: [cartId] }), ['web'], ['cart']),
  namespaces: connectionRow(from({ namespaces: ['shop'] }), ['cart'], ['web']),
  notNamespaces: connectionRow(from({ notNamespaces: ['shop'] }), ['web'], ['cart']),
  serviceAccounts: connectionRow(from({ serviceAccounts: ['shop/cart'] }), ['cart'], ['web']),
  trustDomains: connectionRow(from({ trustDomains: ['td.*'] }), ['web', 'cart'], []),
  ipBlocks: connectionRow(from({ ipBlocks: ['127.0.0.0/8'] }), ['web', 'cart'], []),
  notIpBlocks: connectionRow(from({ notIpBlocks: ['127.0.0.0/8'] }), [], ['web', 'cart']),
  ports: connectionRow(({ tcp }) => to({ ports: [tcp] }), ['web', 'cart'], []),
  notPorts: connectionRow(({ tcp }) => to({ notPorts: [tcp] }), [], ['web', 'cart']),
  'when source.principal': connectionRow(when('source.principal', '*/sa/cart'), ['cart'], ['web']),
  'when destination.port': connectionRow(({ tcp }) => when('destination.port', tcp), ['web', 'cart'], []),
  'when destination.ip': connectionRow(when('destination.ip', serverAddress), ['web', 'cart'], []),
  'when connection.sni': connectionRow(when('connection.sni', 'outbound_.9000_*'), ['web', 'cart'], []),
  'a rule without fields': connectionRow({}, ['web', 'cart'], []),
  // What is asked of requests: an ALLOW rule allows nothing, a DENY rule denies by the rest (Istio: authorization for TCP traffic).
  'methods alone': connectionRow(to({ methods: ['GET'] }), [], []),
  'notPaths alone': connectionRow(to({ notPaths: ['/'] }), [], []),
  'hosts and a port': connectionRow(({ tcp }) => to({ hosts: ['x'], ports: [tcp] }), [], []),
  'hosts and another port': connectionRow(to({ hosts: ['x'], ports: ['1'] }), [], ['web', 'cart']),
  'a principal and a path': connectionRow({ ...from({ principals: [cartId] }), ...to({ paths: ['/'] }) }, [], ['web']),
  'a request principal and a namespace': connectionRow(
    from({ namespaces: ['shop'], requestPrincipals: ['*'] }),
    [],
    ['web'],
  ),
  'when request.headers': connectionRow(when('request.headers[x]', '*'), [], []),
  'when request.auth.claims': connectionRow(
    { ...from({ namespaces: ['shop'] }), ...when('request.auth.claims[a]', '*') },
    [],
    ['web'],
  ),
}
