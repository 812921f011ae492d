import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { celFault, labelExpressionFault, toLabelExpression } from '#mesh/config/schema/cel-expression.ts'
import { commandOperatorFault, commandOperators } from '#mesh/config/schema/command-operators.ts'
import { buildAccessLogs } from '#xds/build/build-access-log.ts'
import { buildTracing } from '#xds/build/build-tracing.ts'
import { AccessLogSchema } from '#envoy/envoy/config/accesslog/v3/accesslog_pb.ts'
import { HttpConnectionManagerSchema } from '#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts'
import { create, toJson } from '@bufbuild/protobuf'
import { knownTypes } from '#xds/known-types.ts'
import { envoyPath } from '../../scripts/envoy-path.mjs'

/** Arguments of those that need one. */
const needed: Readonly<Record<string, string>> = {
  METADATA: 'CLUSTER:a:b',
  COMMON_DURATION: 'DS_RX_BEG:US_TX_BEG:us',
}

const taken: readonly string[] = [
  ...commandOperators.map((name) =>
    commandOperatorFault(`%${name}%`, 'header') === undefined ? `%${name}%` : `%${name}(${needed[name] ?? 'a'})%`,
  ),
  '100%%',
  '%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%',
  '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH):20%',
  '%FILTER_STATE(a:FIELD:b):3%',
  '%PATH(NQ:ORIG)%',
  '%GRPC_STATUS(SNAKE_STRING)%',
]
const refused: readonly string[] = [
  '%',
  '%protocol%',
  '%BOGUS%',
  '%REQ%',
  '%REQ(a?b?c)%',
  '%REQ(a b)%',
  '%PROTOCOL(a)%',
  '%PROTOCOL:5%',
  '%FILTER_STATE(a:BAD)%',
  '%GRPC_STATUS(BAD)%',
  '%PATH(BAD)%',
  '%METADATA(BAD:a)%',
  '%COMMON_DURATION(a)%',
  '%QUERY_PARAMS(BAD)%',
  '%REQ(a):99999999999999999999999%',
]

const expressions: readonly string[] = [
  String.raw`request.path.matches('\\.php|\x2f\U0001f600\u00e9\101\a\b\f\n\r\t\v\?\'\"') || a == b"\377\X41\`"`,
  String.raw`request.path.matches(r'\.php') || request.path.matches(R'''\d''') || a == br"\d"`,
]
const wrongExpressions: readonly string[] = [
  String.raw`request.path.matches('\.php')`,
  String.raw`request.path.startsWith("\/api")`,
  String.raw`request.path.matches('''\d+''')`,
  String.raw`a == '\400'`,
  String.raw`a == '\08'`,
  String.raw`a == '\u12'`,
  String.raw`a == b'\u0041'`,
]

describe('what proxies are told of logs, headers and spans', () => {
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'atoll-operators-'))
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  /** What a proxy says against a configuration; undefined when it takes it. */
  const askEnvoy = async (name: string, told: Told): Promise<string | undefined> => {
    const file = join(directory, `${name}.json`)
    await writeFile(file, JSON.stringify(toBootstrap(told)))
    const run = promisify(execFile)(envoyPath(), ['--mode', 'validate', '-c', file, '-l', 'critical'])
    return run.then(
      () => undefined,
      (error: unknown) => String(error),
    )
  }

  it('has the command operators that Envoy takes, in logs, headers and tags', async () => {
    expect(taken.flatMap((text) => commandOperatorFault(text, 'header') ?? [])).toEqual([])
    expect(await askEnvoy('taken', { logs: taken, headers: taken, tags: taken })).toBeUndefined()
  })
  it('has that of a formatter in logs alone', async () => {
    const text = '%REQ_WITHOUT_QUERY(:PATH)%'
    expect(commandOperatorFault(text, 'access log')).toBeUndefined()
    expect(commandOperatorFault(text, 'header')).toMatch('access logs alone have it')
    expect(await askEnvoy('formatter', { logs: [text] })).toBeUndefined()
    expect(await askEnvoy('formatter-tag', { tags: [text] })).toMatch(isRefused)
  })
  it.each(refused.map((text, index) => ({ text, index })))('has no wrong command operator: $text', async (wrong) => {
    expect(commandOperatorFault(wrong.text, 'header')).toMatch(/^has /)
    expect(await askEnvoy(`refused-${wrong.index}`, { logs: [wrong.text], headers: [wrong.text] })).toMatch(isRefused)
  })

  it('has the escapes of CEL that Envoy takes', async () => {
    expect(expressions.flatMap((text) => celFault(text) ?? [])).toEqual([])
    expect(await askEnvoy('expressions', { filters: expressions })).toBeUndefined()
  })
  it.each(wrongExpressions.map((text, index) => ({ text, index })))('has no wrong one: $text', async (wrong) => {
    expect(celFault(wrong.text)).toMatch('begins an escape of CEL')
    expect(await askEnvoy(`expression-${wrong.index}`, { filters: [wrong.text] })).toMatch(isRefused)
  })
  it('has expressions of CEL in one line where they are labels', async () => {
    const written = ' request.host\n'
    expect(labelExpressionFault(written)).toBeUndefined()
    expect(await askEnvoy('label', { logs: [`%CEL(${toLabelExpression(written)})%`] })).toBeUndefined()
    expect(await askEnvoy('label-lines', { logs: [`%CEL(request.host +\n'a')%`] })).toMatch(isRefused)
  })

  it('has headers of collectors as they are written', async () => {
    const values = ['Basic%20abc', '%PROTOCOL% 100%', 'é'.repeat(8192)]
    expect(await askEnvoy('collector', { collector: values })).toBeUndefined()
  })
  it.each([
    ['a new line', 'a\n'],
    ['too many bytes', 'é'.repeat(8193)],
  ])('has no header of a collector with %s', async (name, value) => {
    expect(await askEnvoy(name, { collector: [value] })).toMatch(isRefused)
  })
})

const isRefused = 'error initializing configuration'

interface Told {
  readonly logs?: readonly string[]
  readonly headers?: readonly string[]
  readonly tags?: readonly string[]
  /** Of logs: expressions of CEL. */
  readonly filters?: readonly string[]
  /** Values of headers. */
  readonly collector?: readonly string[]
}

const toBootstrap = ({ logs: texts = [], headers: added = [], tags = [], filters = [], collector = [] }: Told) => {
  const toLog = (text: string, filter?: string) =>
    buildAccessLogs(
      [
        {
          kind: 'file',
          path: '/dev/null',
          format: { kind: 'text', text },
          omitsUnknown: false,
          ...(filter !== undefined && { filter }),
        },
      ],
      'http',
    )
  const logs = [...texts.flatMap((text) => toLog(text)), ...filters.flatMap((filter) => toLog('a', filter))]
  const traced = create(
    HttpConnectionManagerSchema,
    buildTracing({
      sampledPercent: 1,
      collector: {
        kind: 'zipkin',
        upstream: 'collector',
        authority: 'collector',
        path: '/',
        hasShortIds: false,
        speaksW3c: false,
        timeoutMs: 1000,
        headers: collector.map((value, index) => ({ name: `x-${index}`, value })),
        tellsCalls: false,
      },
      tags: tags.map((format, index) => ({ name: `tag-${index}`, kind: 'format', format })),
      usesRequestId: true,
      propagates: true,
    }),
  )
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    ...(toJson(HttpConnectionManagerSchema, traced, { registry: knownTypes }) as object),
    stat_prefix: 'test',
    access_log: logs.map((log) => toJson(AccessLogSchema, log, { registry: knownTypes })),
    http_filters: [
      {
        name: 'router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
    route_config: {
      request_headers_to_add: added.map((value, index) => ({ header: { key: `x-${index}`, value } })),
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }] },
      ],
    },
  }
  const filter_chains = [{ filters: [{ name: 'http', typed_config: manager }] }]
  const address = { socket_address: { address: '127.0.0.1', port_value: 0 } }
  const clusters = [{ name: 'collector', type: 'STATIC', load_assignment: { cluster_name: 'collector' } }]
  return { static_resources: { clusters, listeners: [{ name: 'test', address, filter_chains }] } }
}
