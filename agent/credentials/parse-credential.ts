import { createPrivateKey, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { err, ok, type Result } from '#mesh/result.ts'

/** What a Secret holds of use for TLS. Never in logs or reports. */
export interface Credential {
  readonly certificate?: { readonly chainPem: string; readonly keyPem: string }
  /** By whom clients are verified. */
  readonly authorities?: { readonly caPem: string; readonly crlPem?: string }
}

/** Kubernetes reference: Secret v1 core. */
export const secretObject = z.object({
  kind: z.literal('Secret'),
  metadata: z.object({ name: z.string().min(1), namespace: z.string().min(1).default('default') }),
  /** Base64. */
  data: z.record(z.string(), z.string()).default({}),
  stringData: z.record(z.string(), z.string()).default({}),
})

/**
 * The keys are those that Istio takes: tls.crt and tls.key, or cert and key; ca.crt or cacert; ca.crl or crl. What is wrong is told without what it
 * says.
 */
export const parseCredential = (secret: z.output<typeof secretObject>): Result<Credential, string> => {
  const decoded = Object.entries(secret.data).map(([name, text]) => [name, Buffer.from(text, 'base64').toString()])
  const values: Readonly<Record<string, string>> = { ...Object.fromEntries(decoded), ...secret.stringData }
  const find = (...names: readonly string[]) => names.map((name) => values[name]).find((value) => value)
  const [chainPem, keyPem] = [find('tls.crt', 'cert'), find('tls.key', 'key')]
  const [caPem, crlPem] = [find('ca.crt', 'cacert'), find('ca.crl', 'crl')]
  if ((chainPem === undefined) !== (keyPem === undefined)) return err('it has a certificate or a key alone')
  if (chainPem === undefined && caPem === undefined) return err('it has neither a certificate nor an authority')
  const fault =
    (chainPem !== undefined && keyPem !== undefined && pairFault(chainPem, keyPem)) ||
    (caPem !== undefined && certificateFault(caPem))
  if (fault) return err(fault)
  return ok({
    ...(chainPem !== undefined && keyPem !== undefined && { certificate: { chainPem, keyPem } }),
    ...(caPem !== undefined && { authorities: { caPem, ...(crlPem !== undefined && { crlPem }) } }),
  })
}

const pairFault = (chainPem: string, keyPem: string): string | undefined => {
  try {
    return new X509Certificate(chainPem).checkPrivateKey(createPrivateKey(keyPem))
      ? undefined
      : 'its key is not that of its certificate'
  } catch {
    return 'its certificate or key can not be read'
  }
}

const certificateFault = (pem: string): string | undefined => {
  try {
    void new X509Certificate(pem)
    return undefined
  } catch {
    return 'its authority can not be read'
  }
}
