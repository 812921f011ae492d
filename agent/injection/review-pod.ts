import { z } from 'zod'
import type { InjectionProblem } from '#mesh/injection/annotation-reader.ts'
import { decideInjection } from '#mesh/injection/decide-injection.ts'
import { injectPod } from '#mesh/injection/inject-pod.ts'
import type { InjectionSettings } from '#mesh/injection/injection-settings.ts'
import { findProxyLayers, type ProxySettingsSource } from '#mesh/injection/proxy-layers.ts'
import { toJsonPatch } from '#mesh/injection/json-patch.ts'
import { parsePod, type Pod } from '#mesh/injection/pod.ts'
import { toPathText } from '#mesh/config/to-problems.ts'

const apiVersion = 'admission.k8s.io/v1'
const kind = 'AdmissionReview'

/** What an API server asks (admission.k8s.io/v1). */
export const admissionReview = z.object({
  apiVersion: z.literal(apiVersion),
  kind: z.literal(kind),
  request: z.object({
    uid: z.string(),
    namespace: z.string(),
    object: z.unknown(),
  }),
})
export type AdmissionReview = z.infer<typeof admissionReview>

export type ReviewOutcome = 'injected' | 'skipped' | 'refused'

export interface Verdict {
  readonly outcome: ReviewOutcome
  /** "shop/web-…" */
  readonly pod: string
  /** Why it was skipped or refused; "" = it was injected. */
  readonly reason: string
  /** What the API server is answered. */
  readonly answer: object
}

export interface ReviewOptions {
  readonly settings: InjectionSettings
  readonly proxySettings: ProxySettingsSource
}

/** An API server shows ten of 256 characters to people. */
const maxWarnings = 10
const maxWarningLength = 256

/**
 * The answer for a pod that is about to be made. Our webhook's selectors have chosen its namespace: what the API server knows of labels is
 * newer than what we do.
 */
export const reviewPod = ({ request }: AdmissionReview, { settings, proxySettings }: ReviewOptions): Verdict => {
  const { uid, namespace, object } = request
  const answer = (response: object): object => ({ apiVersion, kind, response: { uid, ...response } })
  const refuse = (pod: string, problems: readonly InjectionProblem[]): Verdict => {
    const reason = problems.map(toText).join('; ')
    const status = { code: 422, reason: 'Invalid', message: `pod ${pod} can't be injected: ${reason}` }
    return { outcome: 'refused', pod, reason, answer: answer({ allowed: false, status }) }
  }

  const parsed = parsePod(object)
  if (!parsed.ok) return refuse(`${namespace}/(unknown)`, parsed.error)
  const name = `${namespace}/${toName(parsed.value)}`
  const decision = decideInjection({ namespace, pod: parsed.value, revision: settings.revision })
  if (!decision.inject)
    return { outcome: 'skipped', pod: name, reason: decision.reason, answer: answer({ allowed: true }) }
  const layers = findProxyLayers(proxySettings, namespace, parsed.value.metadata?.labels ?? {})
  const injected = injectPod(parsed.value, settings, layers)
  if (!injected.ok) return refuse(name, injected.error)
  const { pod, warnings } = injected.value
  return {
    outcome: 'injected',
    pod: name,
    reason: '',
    answer: answer({
      allowed: true,
      patchType: 'JSONPatch',
      patch: Buffer.from(JSON.stringify(toJsonPatch(parsed.value, pod))).toString('base64'),
      ...(warnings.length > 0 && {
        warnings: warnings.slice(0, maxWarnings).map((each) => `${name}: ${toText(each)}`.slice(0, maxWarningLength)),
      }),
    }),
  }
}

/** A pod of a controller has no name yet. */
const toName = ({ metadata }: Pod): string => metadata?.name ?? `${metadata?.generateName ?? ''}…`

const toText = ({ path, message }: InjectionProblem): string => {
  const [first, second, annotation] = path
  const isAnnotation = first === 'metadata' && second === 'annotations' && annotation !== undefined
  return `${isAnnotation ? `annotation ${String(annotation)}` : toPathText(path)}: ${message}`
}
