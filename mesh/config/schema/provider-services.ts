import { z } from 'zod'
import { positiveDuration } from './duration.ts'
import { commandOperatorFault } from './command-operators.ts'
import { isHeaderName, maxHeaderBytes } from './header-operations.ts'
import { hostFault } from './host-names.ts'
import { checked, message, optionalText, unsupported } from './message.ts'
import { portNumber } from './ports.ts'
import { toUtf8Length } from './utf8-length.ts'

/** A service that an extension provider is: "<host>" or "<namespace>/<host>", and a port (Istio's validation: validateExtensionProviderService). */
export const providerService = {
  service: checked(z.string(), ({ value, report }) => {
    const [host = '', namespace] = value.split('/', 2).toReversed()
    const fault = namespace === '' ? 'has no namespace before its "/"' : hostFault(host)
    if (fault !== undefined) report(fault)
  }),
  /** Istio's documentation has it in quotes, which JSON's form of protobuf allows. */
  port: z.preprocess((value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value), portNumber),
}

export interface ProviderService {
  readonly service: string
  readonly port: number
}

/** A final new line is what YAML's "|" leaves. */
const headerValue = checked(z.string(), ({ value, report }) => {
  // oxlint-disable-next-line no-control-regex -- what Envoy refuses
  if (/[\u0000\n\r]/.test(value)) report('holds a new line or NUL: in YAML write it with ">-" in place of "|"')
  // Proxies are told "%%" for each "%".
  else if (toUtf8Length(value.replaceAll('%', '%%')) > maxHeaderBytes)
    report(`is longer than ${maxHeaderBytes} bytes, of which a "%" takes two`)
})

/** MeshConfig.ExtensionProvider.HttpHeader */
const header = message({
  name: checked(z.string(), ({ value, report }) => {
    if (!isHeaderName(value)) report('is not a header name')
  }),
  value: headerValue.default(''),
  envName: unsupported('proxies are not told what is in the environment of a control plane: write the value'),
})
export const providerHeaders = z.array(header).default([])

/** Envoy parses a value as if it were a format, and then sends it as it is: one with a lone "%" can't be sent. */
const initialMetadata = checked(providerHeaders, ({ value, report }) => {
  for (const [index, { value: text }] of value.entries())
    if (commandOperatorFault(text, 'header') !== undefined)
      report('holds a "%", which proxies can not send over gRPC: use http', [index, 'value'])
})

/** MeshConfig.ExtensionProvider.HttpService */
export const providerHttp = message({
  path: optionalText(z.string()),
  timeout: positiveDuration.optional(),
  headers: providerHeaders,
})

/** MeshConfig.ExtensionProvider.GrpcService */
export const providerGrpc = message({ timeout: positiveDuration.optional(), initialMetadata })
