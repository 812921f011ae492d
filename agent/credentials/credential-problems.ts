import type { CompileProblem } from '#xds/incremental/unit.ts'
import type { CredentialSource } from './credential-source.ts'
import type { GatewayCredentials } from './gateway-credentials.ts'
import type { NamedCredential } from './named-credentials.ts'

/** What is wrong with what Gateways and DestinationRules name, at these. */
export const findCredentialProblems = (
  named: readonly NamedCredential[],
  credentials: Pick<GatewayCredentials, 'faultOf'>,
  source: Pick<CredentialSource, 'failureOf'> | undefined,
): readonly CompileProblem[] =>
  named.flatMap((each) => {
    const fault = credentials.faultOf(each.secret, each.part)
    if (fault === undefined) return []
    const failure = source?.failureOf?.(each.secret.slice(0, each.secret.indexOf('/')))
    return [
      {
        object: each.object,
        message: `${each.place}: Secret ${each.secret} ${failure === undefined ? fault : `can not be read: ${failure}`}`,
      },
    ]
  })
