import { objectKeyOf, type Sourced } from '#mesh/config-object.ts'
import type { ClientAuthenticationSpec } from '#mesh/config/client-authentication.ts'
import type { Admission } from '#xds/model/admission.ts'
import type { Report } from './report.ts'

type ClientAuthentication = Sourced<ClientAuthenticationSpec>

/**
 * By whom a workload's proxy lets clients in, as its ClientAuthentications say; undefined = it asks for nothing, `closed` = nobody is let in. Two
 * are none: each would let in whom the other keeps out.
 */
export const compileAdmission = (
  authentications: readonly ClientAuthentication[],
  report: Report = () => {},
): Admission | 'closed' | undefined => {
  const [first, ...others] = authentications
  if (!first) return undefined
  if (others.length > 0) {
    for (const each of authentications)
      report(
        objectKeyOf(each),
        'another object is for some of its workloads, and a proxy asks for one kind of key: these take no requests',
      )
    return 'closed'
  }
  const { spec } = first
  const { apiKeys, basic, clientHeader, wrongPerMinute } = spec
  const common = { object: objectKeyOf(first), clientHeader, wrongPerMinute }
  if (apiKeys && basic) return 'closed'
  if (apiKeys) {
    const { secretName, from, forward } = apiKeys
    return { ...common, secretName, keys: { from, forward } }
  }
  return basic ? { ...common, secretName: basic.secretName } : 'closed'
}
