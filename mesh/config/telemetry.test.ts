import { expect, it } from 'vitest'
import { problemsOfSpec } from '#test/kinds/problems-of-spec.ts'
import { celFault, labelExpressionFault, toLabelExpression } from './schema/cel-expression.ts'

const problems = (spec: object) => problemsOfSpec('Telemetry', spec, {}, 'telemetry.istio.io/v1')
const refused = (spec: object) => problems(spec).map((each) => each.replace(/:.*/s, ''))

const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'foo' }
const tags = (tag: unknown) => ({ tracing: [{ customTags: { tag } }] })
const override = (override: unknown) => ({ metrics: [{ overrides: [override] }] })
const label = (value: unknown) => override({ tagOverrides: { label: value } })
const filter = (expression: unknown) => ({ accessLogging: [{ filter: { expression } }] })

it.each<[string, object]>([
  ['nothing', {}],
  ['null for what is unset', { accessLogging: [{ disabled: null }], tracing: [{ randomSamplingPercentage: null }] }],
  ['a target', { targetRefs: [gateway] }],
  ['to leave out a label that none could add', override({ tagOverrides: { le: { operation: 'REMOVE' } } })],
  ['labels', override({ tagOverrides: { level: { value: 'a' }, _le: { value: 'a' }, 'a.b': { value: 'a' } } })],
  ['the older target', { targetRef: gateway }],
  [
    'everything',
    {
      selector: { matchLabels: { app: 'reviews' } },
      tracing: [
        {
          match: { mode: 'CLIENT' },
          providers: [{ name: 'zipkin' }],
          randomSamplingPercentage: 0.5,
          disableSpanReporting: false,
          customTags: {
            a: { literal: { value: 'x' } },
            b: { environment: { name: 'HOME', defaultValue: '/' } },
            c: { header: { name: 'x-user', defaultValue: 'nobody' } },
            d: { formatter: { value: '%REQUESTED_SERVER_NAME%' } },
            e: {},
          },
          useRequestIdForTraceSampling: false,
          enableIstioTags: false,
          disableContextPropagation: true,
        },
      ],
      metrics: [
        {
          providers: [{ name: 'prometheus' }],
          overrides: [
            { disabled: true },
            { match: { mode: 'SERVER' }, disabled: false },
            {
              match: { metric: 'REQUEST_COUNT', mode: 'CLIENT' },
              tagOverrides: { port: { value: 'string(destination.port)' }, response_code: { operation: 'REMOVE' } },
            },
          ],
        },
      ],
      accessLogging: [
        {
          match: { mode: 'CLIENT_AND_SERVER' },
          providers: [{ name: 'envoy' }, { name: 'otel' }],
          filter: { expression: 'response.code >= 400' },
        },
        { disabled: true },
      ],
    },
  ],
])('takes %s', (_, spec) => {
  expect(problems(spec)).toEqual([])
})

it.each<[string, object, string]>([
  ['two ways to select', { selector: {}, targetRefs: [gateway] }, 'invalid spec'],
  ['a target of another namespace', { targetRef: { ...gateway, namespace: 'x' } }, 'invalid spec.targetRef.namespace'],
  ['a target without a name', { targetRefs: [{ ...gateway, name: '' }] }, 'invalid spec.targetRefs[0].name'],
  ['a target of another group', { targetRefs: [{ ...gateway, group: 'x' }] }, 'invalid spec.targetRefs[0].kind'],
  ['a target of another kind', { targetRef: { ...gateway, kind: 'X' } }, 'invalid spec.targetRef.kind'],
  ['a wildcard', { selector: { matchLabels: { a: '*' } } }, 'invalid spec.selector.matchLabels.a'],
  [
    'a provider without a name',
    { accessLogging: [{ providers: [{}] }] },
    'invalid spec.accessLogging[0].providers[0].name',
  ],
  [
    'more than all',
    { tracing: [{ randomSamplingPercentage: 101 }] },
    'invalid spec.tracing[0].randomSamplingPercentage',
  ],
  ['an unknown mode', { tracing: [{ match: { mode: 'BOTH' } }] }, 'invalid spec.tracing[0].match.mode'],
  ['a tag that is null', tags(null), 'invalid spec.tracing[0].customTags.tag'],
  ['a tag without a name', { tracing: [{ customTags: { '': {} } }] }, 'invalid spec.tracing[0].customTags[""]'],
  ['a tag without a value', tags({ literal: {} }), 'invalid spec.tracing[0].customTags.tag.literal.value'],
  [
    'a tag of two kinds',
    tags({ literal: { value: 'a' }, header: { name: 'b' } }),
    'invalid spec.tracing[0].customTags.tag',
  ],
  ['a tag of no header', tags({ header: { name: 'a b' } }), 'invalid spec.tracing[0].customTags.tag.header.name'],
  [
    'a tag that Envoy refuses',
    tags({ formatter: { value: '%A' } }),
    'invalid spec.tracing[0].customTags.tag.formatter.value',
  ],
  [
    'a tag with what access logs alone have',
    tags({ formatter: { value: '%REQ_WITHOUT_QUERY(:PATH)%' } }),
    'invalid spec.tracing[0].customTags.tag.formatter.value',
  ],
  ['a label without a value', label({}), 'invalid spec.metrics[0].overrides[0].tagOverrides.label.value'],
  ['a label that is null', label(null), 'invalid spec.metrics[0].overrides[0].tagOverrides.label'],
  [
    'a value of nothing',
    label({ operation: 'REMOVE', value: 'a' }),
    'invalid spec.metrics[0].overrides[0].tagOverrides.label.value',
  ],
  [
    'an unknown metric',
    override({ match: { metric: 'REQUESTS' } }),
    'invalid spec.metrics[0].overrides[0].match.metric',
  ],
  [
    'a metric without a name',
    override({ match: { customMetric: '' } }),
    'invalid spec.metrics[0].overrides[0].match.customMetric',
  ],
  [
    'two metrics',
    override({ match: { metric: 'ALL_METRICS', customMetric: 'a' } }),
    'invalid spec.metrics[0].overrides[0].match',
  ],
  ['no time', { metrics: [{ reportingInterval: '0s' }] }, 'invalid spec.metrics[0].reportingInterval'],
  ['a filter that is none', filter(')++++'), 'invalid spec.accessLogging[0].filter.expression'],
  [
    'a filter of what is no attribute',
    filter('respons.code >= 400'),
    'invalid spec.accessLogging[0].filter.expression',
  ],
  [
    'a filter without an expression',
    { accessLogging: [{ filter: {} }] },
    'invalid spec.accessLogging[0].filter.expression',
  ],
  ['an unknown field', { accessLogging: [{ disable: true }] }, 'unknown_field spec.accessLogging[0].disable'],
])('refuses %s', (_, spec, expected) => {
  expect(refused(spec)).toContain(expected)
})

it.each([
  ['le', '.le'],
  ['quantile', '.quantile'],
  ['__name__', '.__name__'],
  ['-_a', '["-_a"]'],
  ['overflow', '.overflow'],
  ['otel.metric.overflow', '["otel.metric.overflow"]'],
])('refuses the label %s', (name, path) => {
  expect(refused(override({ tagOverrides: { [name]: { value: '"1"' } } }))).toEqual([
    `invalid spec.metrics[0].overrides[0].tagOverrides${path}`,
  ])
})

it.each<[string, object, string]>([
  ['a selector without labels', { selector: {} }, 'spec.selector: selects every workload'],
  ['a target of waypoints', { targetRefs: [{ kind: 'Service', name: 'a' }] }, 'spec.targetRefs[0]: is for waypoints'],
  [
    'a second provider of traces',
    { tracing: [{ providers: [{ name: 'a' }, { name: 'b' }] }] },
    'go to one provider: "a"',
  ],
  ['a metric that is not there', override({ match: { customMetric: 'a' } }), 'the standard metrics alone'],
  ['an interval', { metrics: [{ reportingInterval: '15s' }] }, 'are counted when they end'],
  ['a label without a name', override({ tagOverrides: { '': { value: 'a' } } }), 'it is left out'],
])('warns of %s', (_, spec, expected) => {
  expect(problems(spec)).toEqual([expect.stringMatching(/^warning /)])
  expect(problems(spec)[0]).toContain(expected)
})

it.each([
  "connection.mtls && request.url_path.contains('v1beta3')",
  '!has(request.useragent) || !(request.useragent.startsWith("Amazon-Route53"))',
  "request.headers['x-log'] == 'yes' && response.code in [200, 404]",
  "request.duration > duration('1s') || string(response.code).matches('^5..$')",
  "xds.cluster_name.split('|').size() > 3 ? true : {'a': 1}['a'] == 2",
  '-9223372036854775808 < 9223372036854775807 && 18446744073709551615u > 0xffffu',
  String.raw`request.path.matches('\\.php|\x2f\U0001f600\u00e9\101') || a == b"\377\"\\"`,
  String.raw`request.path.matches(r'\.php') || request.path.matches(R'''\d''') || a == br"\d"`,
  "request.duration > google.protobuf.Duration{seconds: 1, nanos: 5} || .google.protobuf.Timestamp{} == timestamp('')",
])('%s is an expression', (text) => {
  expect(celFault(text)).toBeUndefined()
})

/** What goes as many levels down as is told, and how many of them Envoy 1.40 takes. */
const nested: readonly (readonly [what: string, levels: number, of: (levels: number) => string])[] = [
  ['operators', 31, (n) => `1${' + 1'.repeat(n)}`],
  ['operators under another', 30, (n) => `1${' + 1'.repeat(n)} == 1`],
  ['conjunctions in brackets', 31, (n) => `${'true && ('.repeat(n)}true${')'.repeat(n)}`],
  ['conditionals', 31, (n) => `${'true ? 1 : '.repeat(n)}1`],
  ['conditionals in conditionals', 31, (n) => `${'('.repeat(n)}true${' ? true : true)'.repeat(n)}`],
  ['brackets', 32, (n) => `${'('.repeat(n)}true${')'.repeat(n)}`],
  ['brackets with some in texts', 32, (n) => `${'('.repeat(n)}"((" + r"\\[" + '\\'('${')'.repeat(n)}`],
  ['negations', 31, (n) => `${'!('.repeat(n)}true${')'.repeat(n)}`],
  ['double negations', 31, (n) => `${'!!('.repeat(n)}true${')'.repeat(n)}`],
  ['minuses', 31, (n) => `${'-('.repeat(n)}1${')'.repeat(n)}`],
  ['fields', 31, (n) => `a${'.b'.repeat(n)}`],
  ['fields under has()', 30, (n) => `has(a${'.b'.repeat(n)})`],
  ['places', 31, (n) => `a${"['b']".repeat(n)}`],
  ['places in places', 31, (n) => `${'a['.repeat(n)}1${']'.repeat(n)}`],
  ['methods', 31, (n) => `''${'.lowerAscii()'.repeat(n)}`],
  ['arguments', 31, (n) => `${'string('.repeat(n)}1${')'.repeat(n)}`],
  ['lists', 31, (n) => `${'['.repeat(n)}1${']'.repeat(n)}`],
  ['keys of maps', 31, (n) => `${'{'.repeat(n)}1${': 1}'.repeat(n)}`],
  ['messages', 31, (n) => `${'google.protobuf.Duration{seconds: '.repeat(n)}1${'}'.repeat(n)}`],
]
it.each(nested)('%s go %i levels down', (_, levels, of) => {
  expect(celFault(of(levels))).toBeUndefined()
  expect(celFault(of(levels + 1))).toContain('is nested too deep')
})

it.each([
  ['many terms', Array.from({ length: 300 }, () => 'a').join(' || ')],
  ['many signs', `${'!'.repeat(300)}a`],
])('%s are no levels', (_, text) => {
  expect(celFault(text)).toBeUndefined()
})

it.each([
  ['', 'it ends too early'],
  ['a &&\n (b', '"&" at 1:3'],
  ['a = b', '"=" at 1:3'],
  ['request.headers.exists(h, h == "a")', 'has a loop'],
  ['a || has(b.c) && foo(1)', 'calls foo(), which'],
  ["a.b.replace('c')", 'calls replace() with 1 arguments: it takes 2 or 3'],
  ["a.matches('(')", 'is not an RE2 regular expression'],
  [`a.matches('${'(a|b)?'.repeat(40)}')`, 'too costly'],
  ['Foo{a: 1}', 'makes a Foo'],
  ['google.protobuf.Duration{minutes: 1} == a', 'sets minutes of a google.protobuf.Duration'],
  ['a == 9223372036854775808', 'holds 9223372036854775808'],
  ['-9223372036854775809 == a', 'holds -9223372036854775809'],
  ['a == 0xffffffffffffffff', 'holds 18446744073709551615'],
  ['a[18446744073709551616u]', 'holds 18446744073709551616'],
  ['('.repeat(4000), 'is not an expression of CEL'],
  ['a'.repeat(5000), 'is longer than 4096 characters'],
  [
    String.raw`request.path.matches('\.php')`,
    String.raw`has \. in a text, where a "\" begins an escape of CEL: write \\., or`,
  ],
  [String.raw`a == "\\\d"`, String.raw`has \d in a text`],
  [String.raw`a == '''\/api'''`, String.raw`has \/ in a text`],
  [String.raw`a == '\400'`, String.raw`has \4 in a text`],
  [String.raw`a == '\u12'`, String.raw`has \u in a text`],
  [String.raw`a == b'\u0041'`, String.raw`has \u0041 in a text`],
])('%j is none that a proxy takes', (text, expected) => {
  expect(celFault(text)).toContain(expected)
})

it.each([
  ['request.host', 'request.host'],
  [' string( destination.port ) ', 'destination.port'],
  ['request.host\n', 'request.host'],
  ["'x' in request.headers ? request.headers['x'] : 'none'", "'x' in request.headers ? request.headers['x'] : 'none'"],
])('%j gives a label', (text, expression) => {
  expect([labelExpressionFault(text), toLabelExpression(text)]).toEqual([undefined, expression])
})

it.each([
  ['string(a) + string(b)', 'calls string(), which proxies do not have; around the whole it may stand'],
  ['request.path.lowerAscii()', 'calls lowerAscii()'],
  ['request.size % 2', 'holds a "%"'],
  ['request.host +\n"a"', 'has several lines'],
  [String.raw`"\d"`, String.raw`has \d in a text`],
])('%j gives no label', (text, expected) => {
  expect(labelExpressionFault(text)).toContain(expected)
})
