import { z } from 'zod'
import { commandOperatorFault } from './command-operators.ts'
import { positiveDuration } from './duration.ts'
import { isHeaderName, maxHeaderBytes } from './header-operations.ts'
import { checked, fieldNotes, message, optionalText } from './message.ts'
import { providerService } from './provider-services.ts'
import { toUtf8Length } from './utf8-length.ts'

/** Those that Envoy answers with (envoy.type.v3.StatusCode), but for those of 1xx, which are no answer. */
const statusCodes: readonly string[] = `
  200 201 202 203 204 205 206 207 208 226 300 301 302 303 304 305 307 308
  400 401 402 403 404 405 406 407 408 409 410 411 412 413 414 415 416 417 421 422 423 424 425 426 428 429 431
  500 501 502 503 504 505 506 507 508 510 511
`
  .trim()
  .split(/\s+/)

/** "abc", "abc*" or "*abc". */
const headerPatterns = z
  .array(
    checked(z.string(), ({ value, report }) => {
      if (!isHeaderName(value.replace(/^\*|\*$/, ''))) report('is not a header name, nor one with a "*" at one end')
    }),
  )
  .default([])

const addedHeaders = checked(z.record(z.string(), z.string()), ({ value, report }) => {
  for (const [name, text] of Object.entries(value)) {
    if (!isHeaderName(name)) report('is not a header name', [name])
    // oxlint-disable-next-line no-control-regex -- what Envoy refuses
    else if (/[\u0000\n\r]/.test(text)) report('holds a new line or NUL', [name])
    else if (toUtf8Length(text) > maxHeaderBytes) report(`is longer than ${maxHeaderBytes} bytes`, [name])
    else {
      const fault = commandOperatorFault(text, 'header')
      if (fault !== undefined) report(fault, [name])
    }
  }
}).default({})

const requestBody = (packAsBytes: z.ZodType<boolean>) =>
  message({
    maxRequestBytes: z.int().min(1).max(0xffff_ffff),
    allowPartialMessage: z.boolean().default(false),
    packAsBytes,
  })

/** What a client is answered where it can not be asked. */
export const statusOnError = optionalText(
  checked(z.string(), ({ value, report }) => {
    if (!statusCodes.includes(value)) report('must be an HTTP status such as "503"', [], { known: statusCodes })
  }),
)

const asked = {
  ...providerService,
  timeout: positiveDuration.optional(),
  failOpen: z.boolean().default(false),
  clearRouteCache: z.boolean().default(false),
  statusOnError,
}

/** Istio reference: MeshConfig.ExtensionProvider, those that AuthorizationPolicies of the action CUSTOM ask. */
export const authorizationProviders = {
  envoyExtAuthzHttp: message({
    ...asked,
    pathPrefix: optionalText(
      checked(z.string(), ({ value, report }) => {
        if (!/^\/[!-~]*$/.test(value)) report('starts with "/", and has no spaces')
      }),
    ),
    /** Only where `includeRequestHeadersInCheck` is empty, as in Istio. */
    includeHeadersInCheck: headerPatterns,
    includeRequestHeadersInCheck: headerPatterns,
    includeAdditionalHeadersInCheck: addedHeaders,
    includeRequestBodyInCheck: requestBody(
      z.boolean().default(false).register(fieldNotes, { withoutEffect: 'of HTTP the body is sent as it is' }),
    ).optional(),
    headersToUpstreamOnAllow: headerPatterns,
    headersToDownstreamOnDeny: headerPatterns,
    headersToDownstreamOnAllow: headerPatterns,
  }),
  envoyExtAuthzGrpc: message({
    ...asked,
    includeRequestBodyInCheck: requestBody(z.boolean().default(false)).optional(),
  }),
}
