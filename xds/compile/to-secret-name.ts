import { parseCredentialKey, toCredentialKey } from '#mesh/config/schema/credential-name.ts'
import { toCredentialSecret, type CredentialPart } from '#xds/proxy.ts'

/** Istio: a proxy gets the secrets of its own namespace alone, whatever the namespace of the object that names them. */
export const toSecretName = (
  credential: string,
  proxyNamespace: string,
  part: CredentialPart,
): { readonly secret: string } | { readonly fault: string } => {
  const { namespace, name } = parseCredentialKey(toCredentialKey(credential, proxyNamespace))
  return namespace === proxyNamespace
    ? { secret: toCredentialSecret(proxyNamespace, name, part) }
    : { fault: `its credential ${credential} is not for a proxy of namespace ${proxyNamespace}` }
}
