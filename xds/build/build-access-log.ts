import { create, type JsonObject } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import {
  type AccessLog as EnvoyAccessLog,
  type AccessLogFilter,
  AccessLogFilterSchema,
  AccessLogSchema,
  ResponseFlagFilterSchema,
} from '#envoy/envoy/config/accesslog/v3/accesslog_pb.ts'
import { ApiVersion } from '#envoy/envoy/config/core/v3/config_source_pb.ts'
import { SubstitutionFormatStringSchema } from '#envoy/envoy/config/core/v3/substitution_format_string_pb.ts'
import { TypedExtensionConfigSchema } from '#envoy/envoy/config/core/v3/extension_pb.ts'
import { FileAccessLogSchema } from '#envoy/envoy/extensions/access_loggers/file/v3/file_pb.ts'
import { ExpressionFilterSchema } from '#envoy/envoy/extensions/access_loggers/filters/cel/v3/cel_pb.ts'
import {
  CommonGrpcAccessLogConfigSchema,
  HttpGrpcAccessLogConfigSchema,
  TcpGrpcAccessLogConfigSchema,
} from '#envoy/envoy/extensions/access_loggers/grpc/v3/als_pb.ts'
import { OpenTelemetryAccessLogConfigSchema } from '#envoy/envoy/extensions/access_loggers/open_telemetry/v3/logs_service_pb.ts'
import {
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
} from '#envoy/envoy/extensions/access_loggers/stream/v3/stream_pb.ts'
import { ReqWithoutQuerySchema } from '#envoy/envoy/extensions/formatter/req_without_query/v3/req_without_query_pb.ts'
import {
  type AnyValue,
  AnyValueSchema,
  type KeyValue,
  KeyValueSchema,
} from '#envoy/opentelemetry/proto/common/v1/common_pb.ts'
import { isFields } from '#mesh/is-fields.ts'
import type { AccessLog, FileLog, GrpcLog, JsonFields, OtlpLog } from '#xds/model/access-log.ts'
import { toAny } from './any.ts'

/** Of the requests or connections of a filter chain. */
export const buildAccessLogs = (logs: readonly AccessLog[], of: 'http' | 'tcp'): EnvoyAccessLog[] =>
  logs.filter((log) => log.kind !== 'grpc' || log.of === of).map(build)

/** Of a listener: of connections that none of its chains took. They have no route (NR); all others are logged by their chain. */
export const buildListenerLogs = (logs: readonly AccessLog[]): EnvoyAccessLog[] =>
  buildAccessLogs(logs, 'tcp').map(toUnmatched)

export const toUnmatched = (log: EnvoyAccessLog): EnvoyAccessLog => withFilter(log, isUnmatched)

const isUnmatched = create(AccessLogFilterSchema, {
  filterSpecifier: { case: 'responseFlagFilter', value: create(ResponseFlagFilterSchema, { flags: ['NR'] }) },
})

/** The same of what another filter takes, too. */
export const withFilter = (log: EnvoyAccessLog, filter: AccessLogFilter): EnvoyAccessLog =>
  create(AccessLogSchema, { ...log, filter: log.filter ? allOf(log.filter, filter) : filter })

export const allOf = (...filters: AccessLogFilter[]): AccessLogFilter =>
  create(AccessLogFilterSchema, { filterSpecifier: { case: 'andFilter', value: { filters } } })

/** An expression of CEL, with all of the functions that Envoy has: mesh/config/schema/cel-expression.ts knows them. */
export const buildExpressionFilter = (expression: string): AccessLogFilter =>
  create(AccessLogFilterSchema, {
    filterSpecifier: {
      case: 'extensionFilter',
      value: {
        name: 'envoy.access_loggers.extension_filters.cel',
        configType: {
          case: 'typedConfig',
          value: toAny(ExpressionFilterSchema, {
            expression,
            celConfig: { enableStringConversion: true, enableStringConcat: true, enableStringFunctions: true },
          }),
        },
      },
    },
  })

const build = (log: AccessLog): EnvoyAccessLog => {
  const { name, config } = buildLogger(log)
  return create(AccessLogSchema, {
    name: `envoy.access_loggers.${name}`,
    ...(log.filter !== undefined && { filter: buildExpressionFilter(log.filter) }),
    configType: { case: 'typedConfig', value: config },
  })
}

interface Logger {
  readonly name: string
  readonly config: Any
}

const buildLogger = (log: AccessLog): Logger => {
  switch (log.kind) {
    case 'file':
      return buildFile(log)
    case 'grpc':
      return log.of === 'http'
        ? { name: 'http_grpc', config: buildHttpGrpc(log) }
        : { name: 'tcp_grpc', config: toAny(TcpGrpcAccessLogConfigSchema, { commonConfig: buildCommon(log) }) }
    case 'otlp':
      return { name: 'open_telemetry', config: buildOtlp(log) }
  }
}

/** What a proxy writes to may be no file that it can open: a socket, where systemd has started it. */
const buildFile = ({ path, format, omitsUnknown }: FileLog): Logger => {
  const accessLogFormat = {
    case: 'logFormat' as const,
    value: create(SubstitutionFormatStringSchema, {
      format:
        format.kind === 'text'
          ? { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: format.text } } }
          : { case: 'jsonFormat', value: format.fields as JsonObject },
      omitEmptyValues: omitsUnknown,
      formatters: buildFormatters(format),
    }),
  }
  switch (path) {
    case '/dev/stdout':
      return { name: 'stdout', config: toAny(StdoutAccessLogSchema, { accessLogFormat }) }
    case '/dev/stderr':
      return { name: 'stderr', config: toAny(StderrAccessLogSchema, { accessLogFormat }) }
    default:
      return { name: 'file', config: toAny(FileAccessLogSchema, { path, accessLogFormat }) }
  }
}

const buildHttpGrpc = (log: GrpcLog): Any =>
  toAny(HttpGrpcAccessLogConfigSchema, {
    commonConfig: buildCommon(log),
    additionalRequestHeadersToLog: [...log.requestHeaders],
    additionalResponseHeadersToLog: [...log.responseHeaders],
    additionalResponseTrailersToLog: [...log.responseTrailers],
  })

const buildCommon = ({ upstream, authority, logName, ...log }: GrpcLog | OtlpLog) =>
  create(CommonGrpcAccessLogConfigSchema, {
    logName,
    transportApiVersion: ApiVersion.V3,
    grpcService: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName: upstream, authority } } },
    filterStateObjectsToLog: log.kind === 'grpc' ? [...log.filterStateObjects] : [],
  })

const buildOtlp = (log: OtlpLog): Any =>
  toAny(OpenTelemetryAccessLogConfigSchema, {
    commonConfig: buildCommon(log),
    disableBuiltinLabels: true,
    body: toAnyValue(log.body),
    ...(Object.keys(log.attributes).length > 0 && { attributes: { values: toKeyValues(log.attributes) } }),
    formatters: buildFormatters([log.body, log.attributes]),
  })

/** Names are sorted: a map's order says nothing. */
const toKeyValues = (fields: JsonFields): KeyValue[] =>
  Object.keys(fields)
    .toSorted()
    .map((key) => create(KeyValueSchema, { key, value: toAnyValue(fields[key]) }))

/** Envoy writes texts for their command operators, and all else as it is. */
const toAnyValue = (value: unknown): AnyValue => {
  if (Array.isArray(value))
    return create(AnyValueSchema, { value: { case: 'arrayValue', value: { values: value.map(toAnyValue) } } })
  if (isFields(value))
    return create(AnyValueSchema, { value: { case: 'kvlistValue', value: { values: toKeyValues(value) } } })
  return create(AnyValueSchema, { value: { case: 'stringValue', value: toText(value) } })
}

const toText = (value: unknown): string => {
  if (value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** Of the command operators that are not Envoy's own: %REQ_WITHOUT_QUERY(...)%. */
const buildFormatters = (format: unknown) =>
  JSON.stringify(format).includes('%REQ_WITHOUT_QUERY(')
    ? [
        create(TypedExtensionConfigSchema, {
          name: 'envoy.formatter.req_without_query',
          typedConfig: toAny(ReqWithoutQuerySchema, {}),
        }),
      ]
    : []
