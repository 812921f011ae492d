import { z } from 'zod'
import { checked, choice, message, optionalText, setFields, unsupported } from './message.ts'
import { portNumber } from './ports.ts'

const count = z.int().min(0).max(0x7fff_ffff).optional()

/** As Kubernetes reads the headers of its probes. */
const probeHeaderName = /^[-A-Za-z0-9]+$/

const httpHeader = message({
  name: checked(z.string(), ({ value, report }) => {
    if (!probeHeaderName.test(value)) report('is not the name of a header')
  }),
  value: z.string().optional(),
})

const methods = ['httpGet', 'tcpSocket', 'exec'] as const

/** networking.istio.io ReadinessProbe. */
export const readinessProbe = checked(
  message({
    initialDelaySeconds: count,
    timeoutSeconds: count,
    periodSeconds: count,
    successThreshold: count,
    failureThreshold: count,
    httpGet: message({
      path: z.string().optional(),
      port: portNumber,
      host: z.string().optional(),
      scheme: optionalText(choice(['HTTP', 'HTTPS'])),
      httpHeaders: z.array(httpHeader).optional(),
    }).optional(),
    tcpSocket: message({ host: z.string().optional(), port: portNumber }).optional(),
    exec: message({ command: z.array(z.string()).min(1, 'needs a command') }).optional(),
    grpc: unsupported("Istio's validation refuses it: use httpGet, tcpSocket or exec"),
  }),
  ({ value, sound, report }) => {
    if (sound && setFields(value, methods).length !== 1) report(`takes exactly one of ${methods.join(', ')}`)
  },
)
