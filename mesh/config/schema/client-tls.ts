import { z } from 'zod'
import { checked, choice, message, optionalText, setFields } from './message.ts'

const files = ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const

/** networking.istio.io ClientTLSSettings. Files are those that the proxy sees. */
export const clientTls = checked(
  message({
    mode: choice(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL']).default('DISABLE'),
    clientCertificate: optionalText(z.string()),
    privateKey: optionalText(z.string()),
    caCertificates: optionalText(z.string()),
    /** Name of a Secret; "<name>-cacert" may have the CAs. */
    credentialName: optionalText(
      checked(z.string(), ({ value, report }) => {
        if (value.startsWith('configmap://'))
          report('credentials are read from Secrets only', [], { problem: 'unsupported' })
      }),
    ),
    subjectAltNames: z.array(z.string().min(1, 'must not be empty')).optional(),
    sni: optionalText(z.string()),
    insecureSkipVerify: z.boolean().optional(),
    caCrl: optionalText(z.string()),
  }),
  ({ value, sound, report }) => {
    if (!sound || (value.mode !== 'SIMPLE' && value.mode !== 'MUTUAL')) return
    if (value.insecureSkipVerify) {
      const verified = value.mode === 'SIMPLE' ? (['credentialName'] as const) : []
      for (const field of setFields(value, ['caCertificates', 'subjectAltNames', ...verified]))
        report('nothing is verified where insecureSkipVerify is true', [field])
    }
    if (value.credentialName !== undefined) {
      for (const field of setFields(value, files)) report('is in the Secret that credentialName names', [field])
    } else if (value.mode === 'MUTUAL') {
      if (value.clientCertificate === undefined) report('is required by mode MUTUAL', ['clientCertificate'])
      if (value.privateKey === undefined) report('is required by mode MUTUAL', ['privateKey'])
    }
  },
)
export type ClientTls = z.output<typeof clientTls>
