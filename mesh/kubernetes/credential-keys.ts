import { err, ok, type Result } from '../result.ts'

/** Under which keys a Secret has what is of use for TLS; the first of them that has something counts (Istio: pilot/pkg/credentials/kube). */
export const credentialKeys = {
  chain: ['tls.crt', 'cert'],
  key: ['tls.key', 'key'],
  authorities: ['ca.crt', 'cacert'],
  revoked: ['ca.crl', 'crl'],
} as const

/** What a Secret holds by the keys that it has something for; else why it is of no use. */
export const toHeldParts = (
  keys: readonly string[],
): Result<Readonly<Record<'certificate' | 'authorities', boolean>>, string> => {
  const has = (part: keyof typeof credentialKeys) => credentialKeys[part].some((key) => keys.includes(key))
  if (has('chain') !== has('key')) return err('it has a certificate or a key alone')
  if (!has('chain') && !has('authorities')) return err('it has neither a certificate nor an authority')
  return ok({ certificate: has('chain'), authorities: has('authorities') })
}
