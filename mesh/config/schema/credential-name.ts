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

/** The namespace of such a Secret. */
export const toCredentialNamespace = (secret: string): string => secret.slice(0, secret.indexOf('/'))
