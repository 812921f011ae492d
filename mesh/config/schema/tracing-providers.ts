import { z } from 'zod'
import { checked, choice, message, optionalText } from './message.ts'
import { providerGrpc, providerHeaders, providerHttp, providerService } from './provider-services.ts'
import { positiveDuration } from './duration.ts'

/** 0 = not said. */
const maxTagLength = z.int().min(0).max(0xffff_ffff).default(0)

const empty = message({})

const dynatraceSampler = message({
  tenant: z.string().min(1, 'is required'),
  clusterId: z.int().min(-0x8000_0000).max(0x7fff_ffff).default(0),
  rootSpansPerMinute: z.int().min(0).max(0xffff_ffff).default(0),
  /** Absent: the provider's own service, by its `http`. */
  httpService: message({ ...providerService, http: providerHttp }).optional(),
})

/** Istio reference: MeshConfig.ExtensionProvider, those of traces that Envoy has. */
export const tracingProviders = {
  zipkin: message({
    ...providerService,
    maxTagLength,
    enable64bitTraceId: z.boolean().default(false),
    path: optionalText(
      checked(z.string(), ({ value, report }) => {
        if (!value.startsWith('/')) report('starts with "/"')
      }),
    ),
    traceContextOption: choice(['USE_B3', 'USE_B3_WITH_W3C_PROPAGATION']).default('USE_B3'),
    timeout: positiveDuration.optional(),
    headers: providerHeaders,
  }),
  datadog: message({ ...providerService, maxTagLength }),
  skywalking: message({ ...providerService, accessToken: optionalText(z.string()) }),
  opentelemetry: checked(
    message({
      ...providerService,
      maxTagLength,
      http: providerHttp.optional(),
      grpc: providerGrpc.optional(),
      resourceDetectors: message({ environment: empty.optional(), dynatrace: empty.optional() }).optional(),
      serviceAttributeEnrichment: choice(['ISTIO_CANONICAL', 'OTEL_SEMANTIC_CONVENTIONS']).default('ISTIO_CANONICAL'),
      dynatraceSampler: dynatraceSampler.optional(),
    }),
    ({ value, report }) => {
      if (value.http && value.grpc) report('takes one of http, grpc')
      if (value.dynatraceSampler && !value.dynatraceSampler.httpService && !value.http)
        report('is required where the provider has no http', ['dynatraceSampler', 'httpService'])
    },
  ),
}
