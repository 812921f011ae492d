import { z } from 'zod'
import { statusOnError } from './authorization-providers.ts'
import { positiveDuration } from './duration.ts'
import { isDnsLabel } from './host-names.ts'
import { checked, choice, message } from './message.ts'
import { providerService } from './provider-services.ts'
import { toUtf8Length } from './utf8-length.ts'

/** Of the settings, which travel in one piece. */
const maxCodeBytes = 16_384

/** Whose ProxyExtensions may name it; "*" is every namespace. Absent: nobody's. */
const namespaces = checked(z.array(z.string()).max(256).default([]), ({ value, report }) => {
  for (const [index, name] of value.entries())
    if (name !== '*' && !isDnsLabel(name)) report('must be a namespace, or "*" for all', [index])
})

const bodyMode = choice(['NONE', 'STREAMED', 'BUFFERED', 'BUFFERED_PARTIAL']).default('NONE')
const headerMode = choice(['SEND', 'SKIP']).default('SEND')

/** Atoll's own, beside Istio's: what proxies run, as ProxyExtensions say where. */
export const proxyExtensionProviders = {
  /** A server that is told of requests and answers, and may change them (Envoy: ext_proc). */
  extProc: message({
    ...providerService,
    namespaces,
    /** Of each of its answers. */
    timeout: positiveDuration.prefault('1s'),
    failOpen: z.boolean().default(false),
    statusOnError,
    requestHeaderMode: headerMode,
    responseHeaderMode: headerMode,
    requestBodyMode: bodyMode,
    responseBodyMode: bodyMode,
  }),
  /** A script that proxies run. */
  lua: message({
    namespaces,
    code: checked(z.string().min(1, 'is required'), ({ value, report }) => {
      if (toUtf8Length(value) > maxCodeBytes) report(`is longer than ${maxCodeBytes} bytes`)
    }),
  }),
}
