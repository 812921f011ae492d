import type { CompileProblem } from '#xds/incremental/unit.ts'
import type { CredentialSource } from './credential-source.ts'
import type { NamedCredential } from './named-credentials.ts'
import type { GatewayCredentials } from './gateway-credentials.ts'

type Source = Pick<CredentialSource, 'isReading' | 'failureOf' | 'accessOf'>

/** What is wrong with what Gateways and DestinationRules name, at these. Of what is being read nothing is wrong yet. */
export const findCredentialProblems = (
  named: readonly NamedCredential[],
  credentials: Pick<GatewayCredentials, 'faultOf'>,
  source: Source | undefined,
): readonly CompileProblem[] => {
  const problems = named.flatMap(({ object, place, secret, part, reader }) => {
    const text = toFault(secret, credentials.faultOf(secret, part), source) ?? (reader && toRefusal(reader, source))
    return text === undefined ? [] : [{ object, message: `${place}: Secret ${secret} ${text}` }]
  })
  return [...new Map(problems.map((problem) => [`${problem.object} ${problem.message}`, problem])).values()]
}

const toFault = (
  secret: string,
  fault: ReturnType<GatewayCredentials['faultOf']>,
  source: Source | undefined,
): string | undefined => {
  if (fault !== 'missing') return fault?.reason
  const namespace = secret.slice(0, secret.indexOf('/'))
  if (source?.isReading(namespace)) return undefined
  const failure = source?.failureOf(namespace)
  return failure === undefined ? 'is not there' : `can not be read: ${failure}`
}

const toRefusal = (reader: string, source: Source | undefined): string | undefined => {
  const access = source?.accessOf(reader) ?? 'allowed'
  if (access === 'allowed' || access === 'asked') return undefined
  return access === 'refused'
    ? `is not given to sidecars of service account ${reader}: a Role does not let it list Secrets`
    : `is not given to sidecars of service account ${reader}: nobody can tell whether it may list Secrets: ${access.failure}`
}
