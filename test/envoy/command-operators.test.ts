import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commandOperatorFault, commandOperators } from '#mesh/config/schema/command-operators.ts'
import { buildAccessLogs } from '#xds/build/build-access-log.ts'
import { AccessLogSchema } from '#envoy/envoy/config/accesslog/v3/accesslog_pb.ts'
import { toJson } from '@bufbuild/protobuf'
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
]

describe('command operators', () => {
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'atoll-operators-'))
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  /** What a proxy says against a configuration; undefined when it takes it. */
  const askEnvoy = async (name: string, texts: readonly string[], header = true): Promise<string | undefined> => {
    const file = join(directory, `${name}.json`)
    await writeFile(file, JSON.stringify(toBootstrap(texts, header)))
    const run = promisify(execFile)(envoyPath(), ['--mode', 'validate', '-c', file, '-l', 'critical'])
    return run.then(
      () => undefined,
      (error: unknown) => String(error),
    )
  }

  it('that are taken are those that Envoy takes, in logs and in headers', async () => {
    expect(taken.flatMap((text) => commandOperatorFault(text, 'header') ?? [])).toEqual([])
    expect(await askEnvoy('taken', taken)).toBeUndefined()
  })
  it('of a formatter are taken in logs', async () => {
    const text = '%REQ_WITHOUT_QUERY(:PATH)%'
    expect(commandOperatorFault(text, 'access log')).toBeUndefined()
    expect(commandOperatorFault(text, 'header')).toMatch('Envoy has no such command operator')
    expect(await askEnvoy('formatter', [text], false)).toBeUndefined()
  })
  it.each(refused.map((text, index) => ({ text, index })))('that are wrong are refused: $text', async (wrong) => {
    expect(commandOperatorFault(wrong.text, 'header')).toMatch(/^has /)
    expect(await askEnvoy(`refused-${wrong.index}`, [wrong.text])).toMatch('error initializing configuration')
  })
})

const toBootstrap = (texts: readonly string[], inHeaders: boolean) => {
  const logs = texts.flatMap((text) =>
    buildAccessLogs({ path: '/dev/null', format: { kind: 'text', text }, logsUnmatched: false }),
  )
  const added = inHeaders ? texts : []
  const manager = {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
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
  return { static_resources: { listeners: [{ name: 'test', address, filter_chains }] } }
}
