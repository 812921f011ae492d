import { z } from 'zod'
import { findRepeated } from './find-repeated.ts'
import { hostFault } from './host-names.ts'
import { checked, message, setFields, unsupported } from './message.ts'
import { portNumber } from './ports.ts'

/** A server outside of the proxy: "<host>" or "<namespace>/<host>", and a port. What else a kind says is of whoever gives it an effect. */
const server = z.looseObject({
  service: checked(z.string(), ({ value, report }) => {
    const [host = '', namespace] = value.split('/', 2).toReversed()
    const fault = namespace === '' ? 'has no namespace before its "/"' : hostFault(host)
    if (fault !== undefined) report(fault)
  }),
  /** Istio's documentation has it in quotes, which JSON's form of protobuf allows. */
  port: z.preprocess((value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value), portNumber),
})

const asServer = (schema: z.ZodType) =>
  checked(z.unknown(), ({ value, report }) => {
    const parsed = schema.safeParse(value)
    for (const { message: fault, path } of parsed.error?.issues ?? []) report(fault, path)
  }).optional()
const anything = z.unknown().optional()

const kinds = {
  envoyExtAuthzHttp: asServer(server),
  envoyExtAuthzGrpc: asServer(server),
  zipkin: asServer(server),
  lightstep: asServer(server.extend({ accessToken: z.string().min(1, 'is required') })),
  datadog: asServer(server),
  stackdriver: anything,
  opencensus: asServer(server),
  skywalking: asServer(server),
  opentelemetry: asServer(server),
  prometheus: anything,
  envoyFileAccessLog: anything,
  envoyHttpAls: asServer(server),
  envoyTcpAls: asServer(server),
  envoyOtelAls: asServer(server),
}
const kindNames = Object.keys(kinds) as (keyof typeof kinds)[]

/** Istio's validation: validateExtensionProvider. Until Telemetry and AuthorizationPolicy name them, nothing follows from them. */
export const extensionProviders = checked(
  z.array(
    checked(
      message({
        name: z.string().min(1, 'is required'),
        ...kinds,
        sds: unsupported('Istio refuses it too'),
      }),
      ({ value, report }) => {
        if (setFields(value, [...kindNames, 'sds']).length !== 1) report(`needs exactly one of ${kindNames.join(', ')}`)
      },
    ),
  ),
  ({ value, report }) => {
    for (const index of findRepeated(value.map(({ name }) => name)))
      report(`"${value[index]?.name}" is there already`, [index, 'name'])
  },
)
