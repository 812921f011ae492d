import type { ExtensionProvider } from '#mesh/config/schema/extension-providers.ts'
import type { ProviderService } from '#mesh/config/schema/provider-services.ts'
import type { MeshConfig } from '#mesh/config/mesh-config.ts'
import { isFields } from '#mesh/is-fields.ts'
import { parseJson } from '#mesh/parse-json.ts'
import type { AccessLogger } from '#mesh/telemetry/telemetry-for-proxy.ts'
import type { AccessLog, FileLog, JsonFields, LogServer } from '#xds/model/access-log.ts'
import { defaultJsonFormat, defaultTextFormat } from './access-log-formats.ts'

/** The server of a provider; undefined = there is none that the proxy could tell. */
export type FindServer = (provider: ProviderService) => LogServer | undefined

/** Whom listeners tell of calls, but for the agent. What a provider says is Istio's (Istio reference: MeshConfig.ExtensionProvider). */
export const compileAccessLogs = (
  settings: MeshConfig,
  loggers: readonly AccessLogger[],
  findServer: FindServer,
): readonly AccessLog[] =>
  loggers.flatMap(({ to, filter }): readonly AccessLog[] => {
    if (to === 'own') return []
    const log =
      to === 'mesh-file' ? toMeshFile(settings, settings.accessLogFile) : compileProvider(settings, to, findServer)
    return log ? [{ ...log, ...(filter !== undefined && { filter }) }] : []
  })

const compileProvider = (
  settings: MeshConfig,
  { name, envoyFileAccessLog, envoyHttpAls, envoyTcpAls, envoyOtelAls }: ExtensionProvider,
  findServer: FindServer,
): AccessLog | undefined => {
  if (envoyFileAccessLog) {
    const { path = '/dev/stdout', logFormat, omitEmptyValues } = envoyFileAccessLog
    if (name === 'envoy' && !logFormat && !omitEmptyValues) return toMeshFile(settings, path)
    return { kind: 'file', path, format: toFormat(logFormat), omitsUnknown: omitEmptyValues }
  }
  const provider = envoyHttpAls ?? envoyTcpAls ?? envoyOtelAls
  const server = provider && findServer(provider)
  if (!server) return undefined
  if (envoyHttpAls)
    return {
      kind: 'grpc',
      of: 'http',
      ...server,
      logName: envoyHttpAls.logName ?? 'http_envoy_accesslog',
      filterStateObjects: envoyHttpAls.filterStateObjectsToLog,
      requestHeaders: envoyHttpAls.additionalRequestHeadersToLog,
      responseHeaders: envoyHttpAls.additionalResponseHeadersToLog,
      responseTrailers: envoyHttpAls.additionalResponseTrailersToLog,
    }
  if (envoyTcpAls)
    return {
      kind: 'grpc',
      of: 'tcp',
      ...server,
      logName: envoyTcpAls.logName ?? 'tcp_envoy_accesslog',
      filterStateObjects: envoyTcpAls.filterStateObjectsToLog,
      requestHeaders: [],
      responseHeaders: [],
      responseTrailers: [],
    }
  return {
    kind: 'otlp',
    ...server,
    logName: envoyOtelAls?.logName ?? 'otel_envoy_accesslog',
    body: envoyOtelAls?.logFormat?.text ?? defaultTextFormat,
    attributes: envoyOtelAls?.logFormat?.labels ?? {},
  }
}

type LogFormat = NonNullable<ExtensionProvider['envoyFileAccessLog']>['logFormat']

const toFormat = (format: LogFormat): FileLog['format'] => {
  if (!format?.labels) return { kind: 'text', text: toLine(format?.text) }
  return { kind: 'json', fields: Object.keys(format.labels).length === 0 ? defaultJsonFormat : format.labels }
}

const toLine = (text: string | undefined): string => text?.replace(/\n?$/, '\n') ?? defaultTextFormat

/** As the mesh's settings have it: Istio's provider `envoy` is the same, at a path of its own. */
const toMeshFile = (
  { accessLogFormat, accessLogEncoding }: MeshConfig,
  path: string | undefined,
): FileLog | undefined =>
  path === undefined
    ? undefined
    : {
        kind: 'file',
        path,
        format:
          accessLogEncoding === 'JSON'
            ? { kind: 'json', fields: toFields(accessLogFormat) }
            : { kind: 'text', text: toLine(accessLogFormat) },
        omitsUnknown: false,
      }

const toFields = (format: string | undefined): JsonFields => {
  const parsed = format === undefined ? undefined : parseJson(format)
  return isFields(parsed) ? { ...parsed } : defaultJsonFormat
}
