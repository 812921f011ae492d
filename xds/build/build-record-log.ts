import { create } from '@bufbuild/protobuf'
import { type AccessLog as EnvoyAccessLog, AccessLogSchema } from '#envoy/envoy/config/accesslog/v3/accesslog_pb.ts'
import { ApiVersion } from '#envoy/envoy/config/core/v3/config_source_pb.ts'
import { OpenTelemetryAccessLogConfigSchema } from '#envoy/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.ts'
import {
  accessRecordSeparator,
  accessRecordValues,
  accessRecordVersion,
  type AccessRecordValue,
} from '#mesh/telemetry/access-record.ts'
import { agentCluster } from '#xds/bootstrap.ts'
import { RBAC_Action as Action } from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import { toAny } from './any.ts'
import { dryRunPrefix } from './build-access.ts'
import { peerOperators, toSide, type Reporter } from './peer-operators.ts'
import { traceOperators } from './build-tracing.ts'
import { toDuration } from './duration.ts'
import { receivedOperators } from './received-request.ts'
import { gatewayHopsOperator, toServiceOperator } from './metadata.ts'

interface RecordKind {
  readonly reporter: Reporter
  readonly protocol: 'http' | 'tcp'
}

/**
 * Tells the agent of every request or connection, over the connection that the proxy has to it anyway. Envoy holds records back for a second or until they
 * are this much. What the agent can't be told while it restarts is tried again; what is dropped after that Envoy counts (`logs_dropped`).
 */
export const buildRecordLog = (kind: RecordKind): EnvoyAccessLog => logs[kind.reporter][kind.protocol]

const flushMs = 1000
const bufferBytes = 64 * 1024
/** Longest answer that is waited for, and how long the agent may be away. */
const timeoutMs = 10_000
const retries = { numRetries: 5, baseMs: 250, maxMs: 5000 }

/** Tells the agent a text of each request or connection, in the same stream. */
export const buildToldText = (format: string): EnvoyAccessLog =>
  create(AccessLogSchema, {
    name: 'envoy.access_loggers.open_telemetry',
    configType: {
      case: 'typedConfig',
      value: toAny(OpenTelemetryAccessLogConfigSchema, {
        commonConfig: {
          logName: 'atoll',
          transportApiVersion: ApiVersion.V3,
          grpcService: {
            targetSpecifier: { case: 'envoyGrpc', value: { clusterName: agentCluster } },
            timeout: toDuration(timeoutMs),
          },
          bufferFlushInterval: toDuration(flushMs),
          bufferSizeBytes: bufferBytes,
          grpcStreamRetryPolicy: {
            numRetries: retries.numRetries,
            retryOn: 'connect-failure,reset,unavailable',
            retryBackOff: { baseInterval: toDuration(retries.baseMs), maxInterval: toDuration(retries.maxMs) },
          },
        },
        disableBuiltinLabels: true,
        body: { value: { case: 'stringValue', value: format } },
      }),
    },
  })

const build = (kind: RecordKind): EnvoyAccessLog => buildToldText(toFormat(kind))

const toFormat = ({ reporter, protocol }: RecordKind): string => {
  const operators: Record<AccessRecordValue, string> = {
    ...commonOperators,
    version: accessRecordVersion,
    reporter: toSide(reporter),
    protocol,
    ...peerOperators[reporter],
    ...toldOperators[protocol],
  }
  return accessRecordValues.map((name) => operators[name]).join(accessRecordSeparator)
}

/** Where Envoy's filters of access note what they only tell. */
const toToldOperators = (filter: string) => {
  const read = (action: Action, name: string) => `%DYNAMIC_METADATA(${filter}:${dryRunPrefix[action]}shadow_${name})%`
  return {
    auditRule: read(Action.LOG, 'effective_policy_id'),
    trialDenyRule: read(Action.DENY, 'effective_policy_id'),
    trialAllowResult: read(Action.ALLOW, 'engine_result'),
  }
}
const toldOperators = {
  http: toToldOperators('envoy.filters.http.rbac'),
  tcp: toToldOperators('envoy.filters.network.rbac'),
} as const

/** Texts of clients are cut: one request must not cost what a thousand others do. */
const commonOperators = {
  durationUs: '%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%',
  durationMs: '%DURATION%',
  code: '%RESPONSE_CODE%',
  flags: '%RESPONSE_FLAGS%',
  receivedBytes: '%BYTES_RECEIVED%',
  sentBytes: '%BYTES_SENT%',
  attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  grpcStatus: '%GRPC_STATUS_NUMBER%',
  details: '%RESPONSE_CODE_DETAILS%',
  terminationDetails: '%CONNECTION_TERMINATION_DETAILS%',
  upstreamFailure: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  downstreamFailure: '%DOWNSTREAM_TRANSPORT_FAILURE_REASON%',
  httpVersion: '%PROTOCOL%',
  method: '%REQ(:METHOD):32%',
  authority: '%REQ(:AUTHORITY):256%',
  path: receivedOperators.path,
  userAgent: '%REQ(USER-AGENT):256%',
  forwardedFor: '%REQ(X-FORWARDED-FOR):256%',
  requestId: '%REQ(X-REQUEST-ID):64%',
  contentType: '%REQ(CONTENT-TYPE):32%',
  serverName: '%REQUESTED_SERVER_NAME%',
  route: '%ROUTE_NAME%',
  upstreamHost: '%UPSTREAM_HOST%',
  gatewayHops: gatewayHopsOperator,
  remoteAddress: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%',
  service: toServiceOperator('service'),
  servicePort: toServiceOperator('port'),
  subset: toServiceOperator('subset'),
  hostService: toServiceOperator('service', 'VIRTUAL_HOST'),
  hostServicePort: toServiceOperator('port', 'VIRTUAL_HOST'),
  traceId: traceOperators.traceId,
  traceSent: traceOperators.sent,
  traceReceived: traceOperators.received,
} as const

const toLogs = (reporter: Reporter) => ({
  http: build({ reporter, protocol: 'http' }),
  tcp: build({ reporter, protocol: 'tcp' }),
})

const logs = { source: toLogs('source'), destination: toLogs('destination'), front: toLogs('front') } as const
