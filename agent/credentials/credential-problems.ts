import { parseCredentialKey } from '#mesh/config/schema/credential-name.ts'
import type { CompileProblem } from '#xds/incremental/unit.ts'
import { isOfClients } from './credential-parts.ts'
import type { CredentialSource } from './credential-source.ts'
import type { CredentialFault, KnownSecrets } from './known-secrets.ts'
import type { NamedCredential } from './named-credentials.ts'

type Source = Pick<CredentialSource, 'isReading' | 'failureOf' | 'isForbidden' | 'accessOf'>

/** What is wrong with what Gateways, DestinationRules and ClientAuthentications name, at these. Of what is being read nothing is wrong yet. */
export const findCredentialProblems = (
  named: readonly NamedCredential[],
  secrets: Pick<KnownSecrets, 'faultOf'>,
  source: Source | undefined,
): readonly CompileProblem[] => {
  const problems = named.flatMap(({ object, place, secret, part, reader }) => {
    const fault = toSecretFault(secret, secrets.faultOf(secret, part), source, isOfClients(part))
    const text = fault ?? (reader && toRefusal(reader, source))
    return text === undefined ? [] : [{ object, message: `${place}: Secret ${secret} ${text}` }]
  })
  return [...new Map(problems.map((problem) => [`${problem.object} ${problem.message}`, problem])).values()]
}

/** What is wrong with a Secret, as it is told; undefined = nothing, as far as is known yet. */
export const toSecretFault = (
  secret: string,
  fault: CredentialFault | undefined,
  source: Source | undefined,
  letsIn = false,
): string | undefined => {
  const nobody = letsIn ? ': nobody is let in' : ''
  const { namespace } = parseCredentialKey(secret)
  const failure = source?.failureOf(namespace)
  if (fault === 'missing') {
    if (source?.isReading(namespace)) return undefined
    return failure === undefined ? `is not there${nobody}` : `can not be read${nobody}: ${failure}`
  }
  if (fault) return fault.reason
  return failure !== undefined && source?.isForbidden(namespace)
    ? `can not be read any more${nobody || ', and what it said goes on'}: ${failure}`
    : undefined
}

const toRefusal = (reader: string, source: Source | undefined): string | undefined => {
  const access = source?.accessOf(reader) ?? 'allowed'
  if (access === 'allowed' || access === 'asked') return undefined
  if (access === 'refused')
    return `is not given to sidecars of service account ${reader}: a Role does not let it list Secrets`
  return access.before === 'allowed'
    ? `goes on with sidecars of service account ${reader}, but nobody can tell any more whether it may list Secrets: ${access.failure}`
    : `is not given to sidecars of service account ${reader}: nobody can tell whether it may list Secrets: ${access.failure}`
}
