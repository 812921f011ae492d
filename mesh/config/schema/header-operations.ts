import { z } from 'zod'
import { commandOperatorFault } from './command-operators.ts'
import { checked, message } from './message.ts'
import { toUtf8Length } from './utf8-length.ts'

const isHostHeader = (name: string): boolean => name.toLowerCase() === 'host'
/** The header that carries the host: Envoy and Istio take both names. */
export const isAuthorityHeader = (name: string): boolean => isHostHeader(name) || name.toLowerCase() === ':authority'

/** RFC 9110 token. */
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
// oxlint-disable-next-line no-control-regex -- these are the characters that a header value may not hold
const headerValue = /^[^\u0000-\u0008\u000A-\u001F\u007F]*$/
const pseudoHeaders: readonly string[] = [':method', ':scheme', ':authority', ':path', ':status']

export const isHeaderName = (name: string): boolean => headerName.test(name)
/** A header that a match may look at: HTTP/2's pseudo headers too, even that of responses. */
export const isMatchableHeader = (name: string): boolean => isHeaderName(name) || pseudoHeaders.includes(name)

/** Envoy's limit on HeaderValue.value. */
export const maxHeaderBytes = 16_384

const headerValueFault = (value: string): string | undefined => {
  if (toUtf8Length(value) > maxHeaderBytes) return `is longer than ${maxHeaderBytes} bytes`
  if (!headerValue.test(value)) return 'holds a control character'
  return commandOperatorFault(value, 'header')
}

const nameFault = (name: string, authority: 'allowed' | 'refused'): string | undefined => {
  if (name === '') return 'a header needs a name'
  if (isAuthorityHeader(name))
    return authority === 'allowed' ? undefined : 'the host header can be set in requests only'
  if (name.startsWith(':')) return 'pseudo headers can not be changed'
  return isHeaderName(name) ? undefined : 'is not a header name'
}

const headerValues = (authority: 'allowed' | 'refused') =>
  checked(z.record(z.string(), z.string()), ({ value, report }) => {
    for (const [name, text] of Object.entries(value)) {
      const fault = nameFault(name, authority) ?? headerValueFault(text)
      if (fault !== undefined) report(fault, [name])
    }
  }).optional()

const headerNames = checked(z.array(z.string()), ({ value, report }) => {
  for (const [index, name] of value.entries()) {
    const fault = nameFault(name, 'refused')
    if (fault !== undefined) report(fault, [index])
  }
}).optional()

/** networking.istio.io Headers. */
export const headerOperations = message({
  request: message({ set: headerValues('allowed'), add: headerValues('allowed'), remove: headerNames }).optional(),
  response: message({ set: headerValues('refused'), add: headerValues('refused'), remove: headerNames }).optional(),
})
export type HeaderOperations = z.output<typeof headerOperations>
