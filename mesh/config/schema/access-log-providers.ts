import { z } from 'zod'
import { isFields } from '../../is-fields.ts'
import { commandOperatorFault } from './command-operators.ts'
import { isHeaderName } from './header-operations.ts'
import { checked, message, optionalText, setFields } from './message.ts'
import { providerService } from './provider-services.ts'

const text = optionalText(
  checked(z.string(), ({ value, report }) => {
    const fault = commandOperatorFault(value, 'access log')
    if (fault !== undefined) report(fault)
  }),
)

/** A google.protobuf.Struct, whose texts may hold command operators. */
const labels = checked(z.record(z.string(), z.json()), ({ value, report }) => {
  const check = (inner: unknown, path: readonly PropertyKey[]): void => {
    const fault = typeof inner === 'string' ? commandOperatorFault(inner, 'access log') : undefined
    if (fault !== undefined) report(fault, path)
    if (Array.isArray(inner)) for (const [index, each] of inner.entries()) check(each, [...path, index])
    else if (isFields(inner)) for (const [name, each] of Object.entries(inner)) check(each, [...path, name])
  }
  check(value, [])
}).optional()

/** A value that Envoy refuses a listener for. */
const headerNames = z
  .array(
    checked(z.string(), ({ value, report }) => {
      if (!isHeaderName(value)) report('is not a header name')
    }),
  )
  .default([])

const filterStateObjectsToLog = z.array(z.string()).default([])

/** Istio reference: MeshConfig.ExtensionProvider, those of access logs. */
export const accessLogProviders = {
  envoyFileAccessLog: message({
    /** Absent: /dev/stdout. */
    path: optionalText(z.string()),
    logFormat: checked(message({ text, labels }), ({ value, report }) => {
      if (setFields(value, ['text', 'labels']).length > 1) report('takes one of text, labels')
    }).optional(),
    omitEmptyValues: z.boolean().default(false),
  }),
  envoyHttpAls: message({
    ...providerService,
    logName: optionalText(z.string()),
    filterStateObjectsToLog,
    additionalRequestHeadersToLog: headerNames,
    additionalResponseHeadersToLog: headerNames,
    additionalResponseTrailersToLog: headerNames,
  }),
  envoyTcpAls: message({ ...providerService, logName: optionalText(z.string()), filterStateObjectsToLog }),
  envoyOtelAls: message({
    ...providerService,
    logName: optionalText(z.string()),
    /** `text` is the record's body, `labels` are its attributes. */
    logFormat: message({ text, labels }).optional(),
  }),
}
