/**
 * The Secret, "<namespace>/<name>", that a `credentialName` of a Gateway means for a proxy of a namespace: of its own, unless another is
 * said. (Istio: pilot/pkg/model/credentials.)
 */
export const toCredentialKey = (credential: string, proxyNamespace: string): string => {
  const [name = '', namespace = proxyNamespace] = credential
    .replace(/^kubernetes:\/\//, '')
    .split('/')
    .reverse()
  return `${namespace}/${name}`
}

/** What such a key names. */
export const parseCredentialKey = (secret: string): { readonly namespace: string; readonly name: string } => {
  const [namespace = '', name = ''] = secret.split('/')
  return { namespace, name }
}

/** Istio: of a Secret that holds nothing but the authorities of the one that is named without it. */
export const authoritiesSuffix = '-cacert'
