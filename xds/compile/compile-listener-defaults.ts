import type { MeshConfig } from '#mesh/config/mesh-config.ts'
import { isFields } from '#mesh/is-fields.ts'
import { parseJson } from '#mesh/parse-json.ts'
import type { AccessLog, ListenerDefaults } from '#xds/model/listener-defaults.ts'
import { compileTlsHandshake } from './compile-tls-handshake.ts'
import { defaultJsonFormat, defaultTextFormat } from './access-log-formats.ts'

/** Istio reference: MeshConfig.accessLogFile, pathNormalization, meshMTLS, tlsDefaults. */
export const compileListenerDefaults = (settings: MeshConfig): ListenerDefaults => {
  const accessLog = compileAccessLog(settings)
  const { meshMTLS, tlsDefaults } = settings
  return {
    ...(accessLog && { accessLog }),
    paths: paths[settings.pathNormalization.normalization],
    meshTls: {
      atLeast: meshMTLS.minProtocolVersion === 'TLSV1_3' ? '1.3' : '1.2',
      ...compileTlsHandshake(meshMTLS),
    },
    serverTls: compileTlsHandshake(tlsDefaults),
  }
}

const paths = {
  DEFAULT: 'normalised',
  BASE: 'normalised',
  NONE: 'as-sent',
  MERGE_SLASHES: 'merged-slashes',
  DECODE_AND_MERGE_SLASHES: 'decoded-slashes',
} as const

const compileAccessLog = ({
  accessLogFile,
  accessLogFormat,
  accessLogEncoding,
  disableEnvoyListenerLog,
}: MeshConfig): AccessLog | undefined => {
  if (accessLogFile === undefined) return undefined
  return {
    path: accessLogFile,
    format:
      accessLogEncoding === 'JSON'
        ? { kind: 'json', fields: toFields(accessLogFormat) }
        : { kind: 'text', text: accessLogFormat?.replace(/\n?$/, '\n') ?? defaultTextFormat },
    logsUnmatched: !disableEnvoyListenerLog,
  }
}

const toFields = (format: string | undefined): Readonly<Record<string, unknown>> => {
  const parsed = format === undefined ? undefined : parseJson(format)
  return isFields(parsed) ? { ...parsed } : defaultJsonFormat
}
