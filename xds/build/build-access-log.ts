import { create, type JsonObject } from '@bufbuild/protobuf'
import {
  type AccessLog as EnvoyAccessLog,
  AccessLogFilterSchema,
  AccessLogSchema,
  ResponseFlagFilterSchema,
} from '#envoy/envoy/config/accesslog/v3/accesslog_pb.ts'
import { SubstitutionFormatStringSchema } from '#envoy/envoy/config/core/v3/substitution_format_string_pb.ts'
import { TypedExtensionConfigSchema } from '#envoy/envoy/config/core/v3/extension_pb.ts'
import { FileAccessLogSchema } from '#envoy/envoy/extensions/access_loggers/file/v3/file_pb.ts'
import { ReqWithoutQuerySchema } from '#envoy/envoy/extensions/formatter/req_without_query/v3/req_without_query_pb.ts'
import type { AccessLog } from '#xds/model/listener-defaults.ts'
import { toAny } from './any.ts'

/** Of the requests or connections of a filter chain. */
export const buildAccessLogs = (log: AccessLog | undefined): EnvoyAccessLog[] => (log ? [build(log)] : [])

/** Of a listener: of connections that none of its chains took. They have no route (NR); all others are logged by their chain. */
export const buildListenerLogs = (log: AccessLog | undefined): EnvoyAccessLog[] => {
  if (!log?.logsUnmatched) return []
  const filter = create(AccessLogFilterSchema, {
    filterSpecifier: { case: 'responseFlagFilter', value: create(ResponseFlagFilterSchema, { flags: ['NR'] }) },
  })
  return [create(AccessLogSchema, { ...build(log), filter })]
}

const build = ({ path, format }: AccessLog): EnvoyAccessLog =>
  create(AccessLogSchema, {
    name: 'envoy.access_loggers.file',
    configType: {
      case: 'typedConfig',
      value: toAny(FileAccessLogSchema, {
        path,
        accessLogFormat: {
          case: 'logFormat',
          value: create(SubstitutionFormatStringSchema, {
            format:
              format.kind === 'text'
                ? { case: 'textFormatSource', value: { specifier: { case: 'inlineString', value: format.text } } }
                : { case: 'jsonFormat', value: format.fields as JsonObject },
            formatters: buildFormatters(format),
          }),
        },
      }),
    },
  })

/** Of the command operators that are not Envoy's own: %REQ_WITHOUT_QUERY(...)%. */
const buildFormatters = (format: AccessLog['format']) =>
  JSON.stringify(format).includes('%REQ_WITHOUT_QUERY(')
    ? [
        create(TypedExtensionConfigSchema, {
          name: 'envoy.formatter.req_without_query',
          typedConfig: toAny(ReqWithoutQuerySchema, {}),
        }),
      ]
    : []
