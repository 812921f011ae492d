/** What Node and OpenSSL call a certificate that no authority at hand vouches for. */
const untrustedCodes: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** Whether a connection failed because no authority that is believed vouches for the server. */
export const isUntrusted = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false
  return ('code' in error && untrustedCodes.has(String(error.code))) || isUntrusted(error.cause)
}

/** Node's own words end with an option of Node that does not help here. */
export const withoutNodeAdvice = (message: string): string =>
  message.replace(/; if the root CA is installed locally, try running Node\.js with --use-system-ca/, '')
