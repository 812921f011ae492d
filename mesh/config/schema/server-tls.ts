import { z } from 'zod'
import { checked, choice, fieldNotes, message, optionalText } from './message.ts'

/** Of BoringSSL, in the names of OpenSSL; TLS 1.3 brings its own. Istio reference: ServerTLSSettings.cipherSuites. */
export const cipherSuites: readonly string[] = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
  'DES-CBC3-SHA',
]

const protocolVersion = choice(['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3']).optional()

/** networking.istio.io ServerTLSSettings.TLSCertificate. */
const tlsCertificate = message({
  serverCertificate: optionalText(z.string()),
  privateKey: optionalText(z.string()),
  /** Upstream has it and reads the server's own alone. */
  caCertificates: optionalText(z.string()),
})

const spkiHash = z.string().regex(/^[A-Za-z0-9+/]{43}=$/, 'must be a SHA-256 in base64')
const certificateHash = z
  .string()
  .regex(/^(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){31})$/, 'must be a SHA-256 in hexadecimal')

const fields = message({
  /** Plaintext requests are sent to https. */
  httpsRedirect: z.boolean().optional(),
  mode: choice(['PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL']).default(
    'PASSTHROUGH',
  ),
  /** Files are those that the proxy sees. */
  serverCertificate: optionalText(z.string()),
  privateKey: optionalText(z.string()),
  caCertificates: optionalText(z.string()),
  caCrl: optionalText(z.string()),
  /** Secrets of the proxy's own namespace. */
  credentialName: optionalText(z.string()),
  credentialNames: z.array(z.string().min(1, 'must not be empty')).max(2).optional(),
  caCertCredentialName: optionalText(z.string()),
  tlsCertificates: z.array(tlsCertificate).max(2).optional(),
  subjectAltNames: z.array(z.string().min(1, 'must not be empty')).optional(),
  verifyCertificateSpki: z.array(spkiHash).optional(),
  verifyCertificateHash: z.array(certificateHash).optional(),
  minProtocolVersion: protocolVersion,
  maxProtocolVersion: protocolVersion,
  /** Others than those that there are are left out, with a warning. */
  cipherSuites: z.array(z.string()).optional().register(fieldNotes, { limit: 'those that upstream lists' }),
  /** A client certificate that does not verify is let through. */
  insecureSkipVerify: z.boolean().optional(),
})
export type ServerTls = z.output<typeof fields>

/** Whether TLS goes on to the server as it came. */
export const isPassthrough = ({ mode }: ServerTls): boolean => mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH'

/** The fields that name a server's certificate. */
const certificateFields = [
  'serverCertificate',
  'privateKey',
  'caCertificates',
  'tlsCertificates',
  'credentialName',
  'credentialNames',
] as const

const isSet = (value: unknown): boolean => (Array.isArray(value) ? value.length > 0 : value !== undefined)

/** The fields about certificates that are set. */
export const certificateFieldsOf = (tls: ServerTls): readonly (typeof certificateFields)[number][] =>
  certificateFields.filter((field) => isSet(tls[field]))

const sourcesOf = (tls: ServerTls): number =>
  [
    tls.serverCertificate !== undefined && tls.privateKey !== undefined,
    ...(['credentialName', 'credentialNames', 'tlsCertificates'] as const).map((field) => isSet(tls[field])),
  ].filter(Boolean).length

/** networking.istio.io ServerTLSSettings. What Istio's validation refuses (validateTLSOptions). */
export const serverTls = checked(fields, ({ value, report }) => {
  if (value.mode === 'ISTIO_MUTUAL') {
    for (const field of certificateFieldsOf(value)) report('has no place in mode ISTIO_MUTUAL', [field])
    return
  }
  if (sourcesOf(value) > 1)
    report('takes only one of credentialName, credentialNames, serverCertificate with privateKey, tlsCertificates')
  if (isPassthrough(value)) return
  if (isSet(value.credentialName) || isSet(value.credentialNames)) return

  if (value.mode !== 'SIMPLE' && value.caCertificates === undefined)
    report(`is required by mode ${value.mode}`, ['caCertificates'])
  const several = value.tlsCertificates ?? []
  const certificates =
    several.length > 0
      ? several.map((certificate, index) => ({ certificate, path: ['tlsCertificates', index] }))
      : [{ certificate: value, path: [] }]
  for (const { certificate, path } of certificates) {
    for (const field of ['serverCertificate', 'privateKey'] as const)
      if (certificate[field] === undefined) report(`is required by mode ${value.mode}`, [...path, field])
  }
  if (value.caCrl !== undefined && value.mode === 'SIMPLE') report('has no place in mode SIMPLE', ['caCrl'])
})
