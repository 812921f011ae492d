import { z } from 'zod'
import { positiveDuration, toMilliseconds } from './duration.ts'
import { isHeaderName } from './header-operations.ts'
import { checked, choice, message } from './message.ts'
import { uriMatch } from './string-match.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', '*'] as const

/** Names of headers; "*" = all. */
const headerNames = checked(z.array(z.string()), ({ value, report }) => {
  for (const [index, name] of value.entries())
    if (name !== '*' && !isHeaderName(name)) report('is not a header name', [index])
}).optional()

/** networking.istio.io CorsPolicy. */
export const corsPolicy = message({
  /** The old form of allowOrigins: each exact, "*" = all. */
  allowOrigin: z.array(z.string()).optional(),
  allowOrigins: z
    .array(
      checked(uriMatch, ({ value, report }) => {
        if (!value.exact && !value.prefix && !value.regex) report('needs one of exact, prefix, regex')
      }),
    )
    .optional(),
  allowMethods: z.array(choice(methods)).optional(),
  allowHeaders: headerNames,
  exposeHeaders: headerNames,
  maxAge: checked(positiveDuration, ({ value, sound, report }) => {
    if (sound && toMilliseconds(value) % 1000 !== 0) report('must be a whole number of seconds')
  }).optional(),
  allowCredentials: z.boolean().optional(),
  /** What becomes of preflight requests from other origins. UNSPECIFIED = FORWARD. */
  unmatchedPreflights: choice(['UNSPECIFIED', 'FORWARD', 'IGNORE']).optional(),
})
export type CorsPolicy = z.output<typeof corsPolicy>
