import { z } from 'zod'
import { accessLogProviders } from './access-log-providers.ts'
import { authorizationProviders } from './authorization-providers.ts'
import { findRepeated } from './find-repeated.ts'
import { checked, fieldNotes, message, setFields, unsupported } from './message.ts'
import { proxyExtensionProviders } from './proxy-extension-providers.ts'
import { providerService } from './provider-services.ts'
import { tracingProviders } from './tracing-providers.ts'

/** What else a kind says is of whoever gives it an effect. */
const server = z.looseObject(providerService)

/** Checked as Istio does, and left out. */
const idle = (schema: z.ZodType, why: string) =>
  checked(z.unknown(), ({ value, report }) => {
    if (value === undefined) return
    const parsed = schema.safeParse(value)
    for (const { message: fault, path } of parsed.error?.issues ?? []) report(fault, path)
  })
    .optional()
    .register(fieldNotes, { withoutEffect: why })

const outdated = 'Envoy has it no longer: use opentelemetry'

const kinds = {
  ...accessLogProviders,
  ...tracingProviders,
  ...authorizationProviders,
  ...proxyExtensionProviders,
  /** Standard metrics. */
  prometheus: message({}),
}

const idleKinds = {
  lightstep: idle(server.extend({ accessToken: z.string().min(1, 'is required') }), outdated),
  opencensus: idle(server, outdated),
  stackdriver: idle(z.unknown(), 'as in Istio: use opentelemetry and envoyOtelAls'),
}

const optional = <Kinds extends Readonly<Record<string, z.ZodType>>>(schemas: Kinds) =>
  z.object(schemas).partial().shape

const kindNames = [...Object.keys(kinds), ...Object.keys(idleKinds)] as (keyof typeof kinds | keyof typeof idleKinds)[]

/** Its store of access logs and traces, and its metrics: always there, and more than what is named. */
export const ownProvider = 'atoll'

const extensionProvider = checked(
  message({
    name: checked(z.string().min(1, 'is required'), ({ value, report }) => {
      if (value.toLowerCase() === ownProvider) report('is built in')
    }),
    ...optional(kinds),
    ...idleKinds,
    sds: unsupported('Istio refuses it too'),
  }),
  ({ value, report }) => {
    if (setFields(value, [...kindNames, 'sds']).length !== 1) report(`needs exactly one of ${kindNames.join(', ')}`)
  },
)
export type ExtensionProvider = z.output<typeof extensionProvider>

/** Istio's validation: validateExtensionProvider. Names have no case (findProvider). */
export const extensionProviders = checked(z.array(extensionProvider), ({ value, report }) => {
  for (const index of findRepeated(value.map(({ name }) => name.toLowerCase())))
    report(`"${value[index]?.name}" is there already`, [index, 'name'])
})

/** Of what was accepted by another version those that this one understands: whoever names another one is told that it is not there. */
export const toKnownForms = (written: unknown): readonly unknown[] =>
  Array.isArray(written) ? written.filter((each) => extensionProvider.safeParse(each).success) : []
