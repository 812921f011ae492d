import type { CompileProblem } from '#xds/incremental/unit.ts'
import type { CredentialSource } from './credential-source.ts'
import type { NamedCredential } from './named-credentials.ts'
import type { GatewayCredentials } from './gateway-credentials.ts'

/** What is wrong with what Gateways and DestinationRules name, at these. Of what is being read nothing is wrong yet. */
export const findCredentialProblems = (
  named: readonly NamedCredential[],
  credentials: Pick<GatewayCredentials, 'faultOf'>,
  source: Pick<CredentialSource, 'isReading' | 'failureOf'> | undefined,
): readonly CompileProblem[] => {
  const problems = named.flatMap(({ object, place, secret, part }) => {
    const namespace = secret.slice(0, secret.indexOf('/'))
    const fault = credentials.faultOf(secret, part)
    if (fault === undefined || (fault === 'missing' && source?.isReading(namespace))) return []
    const text = fault === 'missing' ? toMissing(source?.failureOf(namespace)) : fault.reason
    return [{ object, message: `${place}: Secret ${secret} ${text}` }]
  })
  return [...new Map(problems.map((problem) => [`${problem.object} ${problem.message}`, problem])).values()]
}

const toMissing = (failure: string | undefined): string =>
  failure === undefined ? 'is not there' : `can not be read: ${failure}`
