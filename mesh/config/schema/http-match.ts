import { z } from 'zod'
import { isClaimName, parseClaimName } from './claim-name.ts'
import { gatewayNames } from './gateway-names.ts'
import { isMatchableHeader } from './header-operations.ts'
import { isDnsLabel } from './host-names.ts'
import { labels } from './labels.ts'
import { checked, message, optionalText } from './message.ts'
import { optionalPortNumber } from './ports.ts'
import { absentHeaderMatch, stringMatch, uriMatch } from './string-match.ts'

const headerMatches = <Match extends z.ZodType>(match: Match) =>
  checked(z.record(z.string(), match), ({ value, report }) => {
    for (const name of Object.keys(value)) {
      if (isClaimName(name)) {
        if (!parseClaimName(name)) report('names no claims: write @request.auth.claims.realm.org', [name])
      } else if (!isMatchableHeader(name)) report('is not a header name', [name])
    }
  }).optional()

/** networking.istio.io HTTPMatchRequest: all that is set must match. */
export const httpMatch = message({
  name: optionalText(z.string()),
  uri: uriMatch.optional(),
  scheme: stringMatch.optional(),
  method: stringMatch.optional(),
  authority: stringMatch.optional(),
  headers: headerMatches(stringMatch),
  withoutHeaders: headerMatches(absentHeaderMatch),
  queryParams: z.record(z.string(), stringMatch).optional(),
  ignoreUriCase: z.boolean().optional(),
  port: optionalPortNumber,
  sourceNamespace: optionalText(
    checked(z.string(), ({ value, report }) => {
      if (!isDnsLabel(value)) report('is not a namespace')
    }),
  ),
  gateways: gatewayNames,
  /** Those of the client; it may have others too. */
  sourceLabels: labels.optional(),
  statPrefix: optionalText(z.string()),
})
export type HttpMatch = z.output<typeof httpMatch>
