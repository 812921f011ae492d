import { z } from 'zod'
import { isIpAddress } from './host-names.ts'
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

const methods = ['httpGet', 'tcpSocket'] as const

/** The proxy probes by address. */
const probedHost = optionalText(
  checked(z.string(), ({ value, report }) => {
    if (!isIpAddress(value))
      report('names of hosts are not looked up for probes: name an IP address', [], { problem: 'unsupported' })
  }),
)

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
      host: probedHost,
      scheme: optionalText(choice(['HTTP', 'HTTPS'])),
      httpHeaders: z.array(httpHeader).optional(),
    }).optional(),
    tcpSocket: message({ host: probedHost, port: portNumber }).optional(),
    exec: unsupported('a proxy runs no commands: use httpGet or tcpSocket'),
    grpc: unsupported("Istio's validation refuses it: use httpGet or tcpSocket"),
  }),
  ({ value, sound, report }) => {
    if (sound && setFields(value, methods).length !== 1) report(`takes exactly one of ${methods.join(', ')}`)
  },
)

export type ReadinessProbe = z.output<typeof readinessProbe>
