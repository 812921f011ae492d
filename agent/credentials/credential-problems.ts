import { gateway } from '#mesh/config/gateway.ts'
import { toObjectKey } from '#mesh/config-object.ts'
import type { CompileProblem } from '#xds/incremental/unit.ts'
import type { CredentialSource } from './credential-source.ts'
import type { GatewayCredentials } from './gateway-credentials.ts'
import type { NamedCredential } from './named-credentials.ts'

/** What is wrong with what Gateways name, at the Gateways. */
export const findCredentialProblems = (
  named: readonly NamedCredential[],
  credentials: Pick<GatewayCredentials, 'faultOf'>,
  source: Pick<CredentialSource, 'failureOf'> | undefined,
): readonly CompileProblem[] =>
  named.flatMap((each) => {
    const fault = credentials.faultOf(each.secret, each.part)
    if (fault === undefined) return []
    const [gatewayNamespace = '', gatewayName = ''] = each.gateway.split('/')
    const failure = source?.failureOf?.(each.secret.slice(0, each.secret.indexOf('/')))
    return [
      {
        object: toObjectKey(gateway.kind, gatewayNamespace, gatewayName),
        message: `server ${each.port}: Secret ${each.secret} ${failure === undefined ? fault : `can not be read: ${failure}`}`,
      },
    ]
  })
