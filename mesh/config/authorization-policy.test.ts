import { expect, it } from 'vitest'
import { pathsOfProblems } from '#test/kinds/problems-of-spec.ts'
import { authorizationPolicy, isDryRun } from './authorization-policy.ts'
import { closedAs } from './parse-object.ts'
import { parseConditionKey } from './schema/condition-key.ts'
import { pathTemplateFault } from './schema/path-template.ts'

const apiVersion = 'security.istio.io/v1'
const problems = (spec: object, metadata?: object) => pathsOfProblems('AuthorizationPolicy', spec, metadata, apiVersion)
const problemsOfRule = (rule: object, rest: object = {}) =>
  problems({ rules: [rule], ...rest }).map((each) => each.replace('spec.rules[0]', ''))
const problemsOfSource = (source: object) =>
  problemsOfRule({ from: [{ source }] }).map((each) => each.replace('.from[0].source', ''))
const problemsOfOperation = (operation: object) =>
  problemsOfRule({ to: [{ operation }] }).map((each) => each.replace('.to[0].operation', ''))
const problemsOfCondition = (condition: object) =>
  problemsOfRule({ when: [condition] }).map((each) => each.replace('.when[0]', ''))

const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'foo' }
const provider = { name: 'opa' }
const dryRun = (value: string) => ({ annotations: { 'istio.io/dry-run': value } })
const many = (length: number) => Array.from({ length }, (_, index) => `a${index}`)

it.each<[string, object, object?]>([
  ['nothing, which allows nothing', {}],
  ['a rule for everything', { rules: [{}] }],
  ['null for what is unset', { rules: [{ from: null, to: null, when: null }], provider: null, selector: null }],
  ['a target', { targetRefs: [gateway], action: 'DENY', rules: [{}] }],
  ['what is only to be tried', {}, dryRun('true')],
  ['what is not', { action: 'DENY', rules: [{}] }, dryRun('F')],
  [
    'everything',
    {
      selector: { matchLabels: { app: 'httpbin' } },
      action: 'ALLOW',
      rules: [
        {
          from: [
            {
              source: {
                principals: ['cluster.local/ns/default/sa/*', '*/sa/a', '*', 'a'],
                notPrincipals: ['b'],
                requestPrincipals: ['https://a.example/*'],
                notRequestPrincipals: ['*'],
                namespaces: ['a', 'b-*'],
                notNamespaces: ['c'],
                ipBlocks: ['203.0.113.4', '203.0.113.0/24', '::1', 'fd00::/8', '10.1.2.3/16'],
                notIpBlocks: ['203.0.113.4'],
                remoteIpBlocks: ['203.0.113.4'],
                notRemoteIpBlocks: ['203.0.113.4'],
                trustDomains: ['cluster.local', '*.example', 'td-*', '*'],
                notTrustDomains: ['other'],
              },
            },
            { source: { serviceAccounts: ['default/sleep', 'sleep'], notServiceAccounts: ['other/sleep'] } },
          ],
          to: [
            {
              operation: {
                hosts: ['*.example.com', 'a'],
                notHosts: ['b'],
                ports: ['80', '0', '65535'],
                notPorts: ['8080'],
                methods: ['GET', '*'],
                notMethods: ['DELETE'],
                paths: ['/info*', '*.html', '/foo/{*}/bar/{**}', '/{**}/'],
                notPaths: ['/admin'],
              },
            },
          ],
          when: [
            { key: 'request.headers[X-User]', values: ['a*'] },
            { key: 'request.headers[:authority]', notValues: ['a'] },
            { key: 'source.ip', values: ['1.2.3.4', '5.6.7.0/24'] },
            { key: 'remote.ip', notValues: ['fd00::/8'] },
            { key: 'source.namespace', values: ['a'] },
            { key: 'source.serviceAccount', values: ['a', 'b/c'] },
            { key: 'source.principal', values: ['*'] },
            { key: 'source.trustDomain', values: ['*.example'] },
            { key: 'request.auth.principal', values: ['a/b'] },
            { key: 'request.auth.audiences', values: ['a'] },
            { key: 'request.auth.presenter', values: ['a'] },
            { key: 'request.auth.claims[iss]', values: ['*@foo.com'] },
            { key: 'request.auth.claims[nested][key]', values: ['a'], notValues: ['b'] },
            { key: 'destination.ip', values: ['10.0.0.0/8'] },
            { key: 'destination.port', values: ['80'] },
            { key: 'connection.sni', values: ['www.example.com'] },
            { key: 'experimental.envoy.filters.network.mysql_proxy[db.table]', values: ['[update]'] },
          ],
        },
      ],
    },
  ],
])('takes %s', (_, spec, metadata) => {
  expect(problems(spec, metadata)).toEqual([])
})

it.each<[string, object, string, object?]>([
  ['an unknown action', { action: 'LOG' }, 'invalid spec.action'],
  ['to deny nothing', { action: 'DENY' }, 'invalid spec.rules'],
  ['to deny nothing, in a list', { action: 'DENY', rules: [] }, 'invalid spec.rules'],
  ['to ask somebody about nothing', { action: 'CUSTOM', provider }, 'invalid spec.rules'],
  ['to ask nobody', { action: 'CUSTOM', rules: [{}] }, 'invalid spec.provider.name'],
  ['to ask one without a name', { action: 'CUSTOM', provider: {}, rules: [{}] }, 'invalid spec.provider.name'],
  ['a provider that is not asked', { provider, rules: [{}] }, 'invalid spec.provider'],
  ['two ways to select', { selector: {}, targetRefs: [gateway] }, 'invalid spec'],
  ['a wildcard', { selector: { matchLabels: { 'app-*': 'a' } } }, 'invalid spec.selector.matchLabels["app-*"]'],
  ['a rule that is null', { rules: [null] }, 'invalid spec.rules[0]'],
  ['many rules', { rules: Array.from({ length: 513 }, () => ({})) }, 'invalid spec.rules'],
  ['an unknown field', { rules: [{ fron: [] }] }, 'unknown_field spec.rules[0].fron'],
  [
    'to try what others decide',
    { action: 'CUSTOM', provider, rules: [{}] },
    'invalid metadata.annotations["istio.io/dry-run"]',
    dryRun('true'),
  ],
  ['to try perhaps', {}, 'invalid metadata.annotations["istio.io/dry-run"]', dryRun('yes')],
])('refuses %s', (_, spec, expected, metadata) => {
  expect(problems(spec, metadata)).toContain(expected)
})

it.each<[string, object, string]>([
  ['sources of which there are none', { from: [] }, 'invalid .from'],
  ['operations of which there are none', { to: [] }, 'invalid .to'],
  ['no source', { from: [{}] }, 'invalid .from[0].source'],
  ['a source that is null', { from: [null] }, 'invalid .from[0]'],
  ['no operation', { to: [{}] }, 'invalid .to[0].operation'],
  ['many sources', { from: Array.from({ length: 513 }, () => ({ source: { namespaces: ['a'] } })) }, 'invalid .from'],
])('refuses %s', (_, rule, expected) => {
  expect(problemsOfRule(rule)).toEqual([expected])
})

it.each<[string, object, string]>([
  ['any', {}, 'invalid '],
  ['any in an empty list', { principals: [] }, 'invalid '],
  ...['principals', 'requestPrincipals', 'namespaces', 'serviceAccounts', 'trustDomains', 'ipBlocks', 'remoteIpBlocks']
    .flatMap((field) => [field, `not${field.charAt(0).toUpperCase()}${field.slice(1)}`])
    .map((field): [string, object, string] => [`an empty one of ${field}`, { [field]: [''] }, `invalid .${field}[0]`]),
  ['all of some accounts', { serviceAccounts: ['ns/*'] }, 'invalid .serviceAccounts[0]'],
  ['an account of no form', { serviceAccounts: ['a/b/c'] }, 'invalid .serviceAccounts[0]'],
  ['an account of no namespace', { serviceAccounts: ['/b'] }, 'invalid .serviceAccounts[0]'],
  ['a long account', { serviceAccounts: ['a'.repeat(321)] }, 'invalid .serviceAccounts[0]'],
  ['many accounts', { serviceAccounts: many(17) }, 'invalid .serviceAccounts'],
  ['accounts beside namespaces', { serviceAccounts: ['a'], namespaces: ['b'] }, 'invalid .serviceAccounts'],
  ['accounts beside principals', { notServiceAccounts: ['a'], notPrincipals: ['b'] }, 'invalid .notServiceAccounts'],
  ['a path of a trust domain', { trustDomains: ['td/ns'] }, 'invalid .trustDomains[0]'],
  ['a star in a trust domain', { trustDomains: ['a*b'] }, 'invalid .trustDomains[0]'],
  ['no address', { ipBlocks: ['a.b.c.d'] }, 'invalid .ipBlocks[0]'],
  ['no range', { ipBlocks: ['10.0.0.0/33'] }, 'invalid .ipBlocks[0]'],
  ['many values', { namespaces: many(4097) }, 'invalid .namespaces'],
  ['a long value', { namespaces: ['a'.repeat(2049)] }, 'invalid .namespaces[0]'],
])('refuses a source with %s', (_, source, expected) => {
  expect(problemsOfSource(source)).toEqual([expected])
})

it.each<[string, object, string]>([
  ['any', {}, 'invalid '],
  ...['hosts', 'methods', 'paths', 'ports']
    .flatMap((field) => [field, `not${field.charAt(0).toUpperCase()}${field.slice(1)}`])
    .map((field): [string, object, string] => [`an empty one of ${field}`, { [field]: [''] }, `invalid .${field}[0]`]),
  ...['http', '65536', '-1', '1.5', '+80', ' 80'].map((port): [string, object, string] => [
    `the port ${port}`,
    { ports: [port] },
    'invalid .ports[0]',
  ]),
  ['a port that is a number', { ports: [80] }, 'invalid .ports[0]'],
  ['a template that is none', { paths: ['/a', '/foo/{*}.txt'] }, 'invalid .paths[1]'],
])('refuses an operation with %s', (_, operation, expected) => {
  expect(problemsOfOperation(operation)).toEqual([expected])
})

it.each<[string, object, string]>([
  ['without a key', { values: ['a'] }, 'invalid .key'],
  ['of what is no attribute', { key: 'key1', values: ['a'] }, 'invalid .key'],
  ['of an attribute of old', { key: 'destination.labels[version]', values: ['a'] }, 'invalid .key'],
  ['of a header without a name', { key: 'request.headers[]', values: ['a'] }, 'invalid .key'],
  ['of what is no header', { key: 'request.headers[a b]', values: ['a'] }, 'invalid .key'],
  ['of a claim without brackets', { key: 'request.auth.claims.iss', values: ['a'] }, 'invalid .key'],
  ['of a claim with half of them', { key: 'request.auth.claims[a]b', values: ['a'] }, 'invalid .key'],
  ['of no values', { key: 'source.namespace' }, 'invalid '],
  ['of empty lists', { key: 'source.namespace', values: [], notValues: [] }, 'invalid '],
  ['of an empty value', { key: 'source.namespace', values: ['a', ''] }, 'invalid .values[1]'],
  ['of no address', { key: 'source.ip', notValues: ['a.b.c.d'] }, 'invalid .notValues[0]'],
  ['of no port', { key: 'destination.port', values: ['http'] }, 'invalid .values[0]'],
  ['of a star in a trust domain', { key: 'source.trustDomain', values: ['a*b'] }, 'invalid .values[0]'],
  ['of all accounts', { key: 'source.serviceAccount', values: ['*'] }, 'invalid .values[0]'],
  ['of many accounts', { key: 'source.serviceAccount', values: many(17) }, 'invalid .values'],
])('refuses a condition %s', (_, condition, expected) => {
  expect(problemsOfCondition(condition)).toEqual([expected])
})

it('suggests the plural of an attribute whose part is in brackets', () => {
  expect(parseConditionKey('request.header[x-a]')).toMatchObject({
    fault: expect.stringContaining('did you mean "request.headers[x-a]"?') as unknown,
  })
})

it.each<[object, string]>([
  [{ from: [{ source: { principals: ['a'] } }] }, 'invalid .from[0].source.principals'],
  [{ from: [{ source: { notNamespaces: ['a'] } }] }, 'invalid .from[0].source.notNamespaces'],
  [{ from: [{ source: { requestPrincipals: ['a'] } }] }, 'invalid .from[0].source.requestPrincipals'],
  [{ when: [{ key: 'source.principal', values: ['a'] }] }, 'invalid .when[0].key'],
  [{ when: [{ key: 'request.auth.claims[a]', values: ['a'] }] }, 'invalid .when[0].key'],
])('refuses to ask others about callers: %j', (rule, expected) => {
  expect(problemsOfRule(rule, { action: 'CUSTOM', provider })).toEqual([expected])
})

it.each<[string, object, readonly string[]]>([
  ['an empty selector', { selector: {} }, ['warning spec.selector']],
  ['a target that is no proxy', { targetRef: { kind: 'Service', name: 'a' } }, ['warning spec.targetRef']],
  [
    'the scheme of a SPIFFE ID',
    { rules: [{ from: [{ source: { principals: ['spiffe://a/ns/b/sa/c', 'a/ns/b/sa/c'] } }] }] },
    ['warning spec.rules[0].from[0].source.principals[0]'],
  ],
  ['no rules to audit by', { action: 'AUDIT' }, ['warning spec.rules']],
  [
    'what denies all of TCP',
    { action: 'DENY', rules: [{ to: [{ operation: { methods: ['GET'] } }] }] },
    ['warning spec.rules[0]'],
  ],
  [
    'the same by its sources',
    { action: 'DENY', rules: [{ from: [{ source: { requestPrincipals: ['*'] } }] }] },
    ['warning spec.rules[0]'],
  ],
  ['not with ports', { action: 'DENY', rules: [{ to: [{ operation: { methods: ['GET'], ports: ['80'] } }] }] }, []],
  ['not of connections', { action: 'DENY', rules: [{ from: [{ source: { namespaces: ['a'] } }] }] }, []],
  [
    'stars that are none',
    { rules: [{ to: [{ operation: { paths: ['/a/*/b', '/**', '/{*}', '/a*'], hosts: ['a.*.b'] } }] }] },
    [
      'warning spec.rules[0].to[0].operation.paths[0]',
      'warning spec.rules[0].to[0].operation.paths[1]',
      'warning spec.rules[0].to[0].operation.hosts[0]',
    ],
  ],
])('warns of %s', (_, spec, expected) => {
  expect(problems(spec).toSorted()).toEqual(expected.toSorted())
})

it.each([
  ['/foo/{*}', /^$/],
  ['/{**}', /^$/],
  ['/foo/{**}/', /^$/],
  ['/foo/{*}/bar/{**}', /^$/],
  ['/plain', /^$/],
  ['/pl(ai)n with spaces', /^$/],
  ['/{**}/foo/{*}', /must be the last operator/],
  ['/{**}/{**}', /must be the last operator/],
  ['/*/baz/{*}', /is not a segment of a template/],
  ['/**/baz/{*}', /is not a segment of a template/],
  ['/foo/{*}.txt', /has braces/],
  ['/foo/{a}', /has braces/],
  ['/foo/}', /has braces/],
  ['/foo//{*}', /no empty segments/],
  ['foo/{*}', /begins with "\/"/],
])('%s as a template: %s', (path, fault) => {
  expect(pathTemplateFault(path) ?? '').toMatch(fault)
})

it.each([
  ['request.auth.claims[a][b.c/d]', { attribute: 'request.auth.claims', claims: ['a', 'b.c/d'] }],
  ['request.headers[X-User]', { attribute: 'request.headers', header: 'x-user' }],
  [
    'experimental.envoy.filters.network.mysql_proxy[db.table]',
    { attribute: 'experimental.envoy.filters', filter: 'envoy.filters.network.mysql_proxy', key: 'db.table' },
  ],
  ['connection.sni', { attribute: 'connection.sni' }],
])('reads %s', (text, key) => {
  expect(parseConditionKey(text)).toEqual({ key })
})

it('knows which are only to be tried', () => {
  const policy = (value?: string) => ({
    metadata: { name: 'a', namespace: 'b', ...(value !== undefined && dryRun(value)) },
  })
  expect(['true', 'T', '1', 'false', 'yes', ''].map((value) => isDryRun(policy(value)))).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
  ])
  expect(isDryRun(policy())).toBe(false)
})

it('lets nothing to its own workloads where it is refused', () => {
  const closed = (spec: Record<string, unknown>) =>
    closedAs(authorizationPolicy, {
      apiVersion,
      kind: 'AuthorizationPolicy',
      metadata: { name: 'a', namespace: 'shop' },
      spec,
    })?.spec
  expect(closed({ targetRefs: [gateway], rules: 'none' })).toMatchObject({ targetRefs: [gateway], action: 'DENY' })
  expect(closed({ targetRefs: [gateway], selector: {}, rules: 'none' })).toEqual({
    action: 'DENY',
    rules: [{ when: [] }],
  })
})

it('says of a policy that is to ask a provider about requests what becomes of connections', () => {
  const toAdmin = (more: object) => [{ to: [{ operation: { paths: ['/admin/*'], ...more } }] }]
  expect(problems({ action: 'CUSTOM', provider, rules: toAdmin({}) })).toEqual(['warning spec.rules[0]'])
  expect(problems({ action: 'CUSTOM', provider, rules: toAdmin({ ports: ['80'] }) })).toEqual([])
})
