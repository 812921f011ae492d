import type { Patch } from './patch.ts'

/** Filters that keep somebody out, by the names of their types: as HTTP filters and as network filters. */
const guards: readonly string[] = ['api_key_auth', 'basic_auth', 'ext_authz', 'jwt_authn', 'oauth2', 'rbac']
const guardType = new RegExp(`\\.filters\\.(?:http|network)\\.(?:${guards.join('|')})\\.`)

/**
 * Whether a patch keeps somebody out, as far as its type tells. What Envoy refuses of such a one is not left out: the proxy keeps what it had,
 * or has nothing, rather than let everybody in.
 */
export const guardsAccess = ({ part, operation, value }: Patch): boolean => {
  if (operation === 'REMOVE' || (part !== 'HTTP_FILTER' && part !== 'NETWORK_FILTER')) return false
  const { configType } = value as Patch<'HTTP_FILTER'>['value']
  return configType.case === 'typedConfig' && guardType.test(configType.value.typeUrl)
}
