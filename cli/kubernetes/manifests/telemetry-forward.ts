import { z } from 'zod'
import { agentForwardDirectory } from '#mesh/kubernetes/conventions.ts'

/** What a Secret or a ConfigMap of the agent's namespace holds under a key. */
const entry = z.strictObject({ name: z.string().min(1), key: z.string().min(1) })

/** A backend that the agent sends telemetry too: `telemetryForward` of agent/config.ts, but for where its files come from. */
const telemetryForward = z
  .strictObject({
    endpoint: z.url({ protocol: /^https?$/ }),
    signals: z
      .array(z.enum(['logs', 'metrics', 'traces']))
      .min(1)
      .optional(),
    slowMilliseconds: z.int().min(0).max(86_400_000).optional(),
    headersSecret: entry.optional(),
    caConfigMap: entry.optional(),
    caSecret: entry.optional(),
  })
  .refine(({ endpoint, headersSecret }) => headersSecret === undefined || endpoint.startsWith('https:'), {
    path: ['endpoint'],
    message: 'must be https://, since it is sent secret headers',
  })
  .refine(({ caConfigMap, caSecret }) => caConfigMap === undefined || caSecret === undefined, {
    path: ['caSecret'],
    message: 'is one too many beside caConfigMap',
  })
export const telemetryForwards = z.array(telemetryForward).max(8).readonly()
export type TelemetryForwards = z.infer<typeof telemetryForwards>
type TelemetryForward = TelemetryForwards[number]

/** Whose files are mounted where, by the place in the list. The chart has an expression for that. */
export const toForwardMount = (place: number | string, what: 'headers' | 'ca') => ({
  name: `forward-${place}-${what}`,
  mountPath: `${agentForwardDirectory}/${place}/${what}`,
  readOnly: true,
})
export const forwardFile = { headers: 'headers', ca: 'ca.pem' } as const

export const toForwardPath = (place: number | string, what: 'headers' | 'ca'): string =>
  `${toForwardMount(place, what).mountPath}/${forwardFile[what]}`

const hasCa = ({ caConfigMap, caSecret }: TelemetryForward): boolean => (caConfigMap ?? caSecret) !== undefined

/** The setting of agent.yaml. */
export const toForwardConfig = (forwards: TelemetryForwards): readonly object[] =>
  forwards.map((forward, index) => {
    const { headersSecret, caConfigMap: _, caSecret: __, ...own } = forward
    return {
      ...own,
      ...(headersSecret && { headersFile: toForwardPath(index, 'headers') }),
      ...(hasCa(forward) && { caFile: toForwardPath(index, 'ca') }),
    }
  })

export const toForwardMounts = (forwards: TelemetryForwards): readonly object[] =>
  forwards.flatMap((forward, index) => [
    ...(forward.headersSecret ? [toForwardMount(index, 'headers')] : []),
    ...(hasCa(forward) ? [toForwardMount(index, 'ca')] : []),
  ])

/** Headers are read for each batch, so a Secret that is not there yet keeps no agent from starting. An authority is read at the start. */
export const toForwardVolumes = (forwards: TelemetryForwards): readonly object[] =>
  forwards.flatMap(({ headersSecret, caConfigMap, caSecret }, index) => {
    const { name } = toForwardMount(index, 'ca')
    return [
      ...(headersSecret
        ? [
            {
              name: toForwardMount(index, 'headers').name,
              secret: { secretName: headersSecret.name, optional: true, items: toItems(headersSecret, 'headers') },
            },
          ]
        : []),
      ...(caConfigMap ? [{ name, configMap: { name: caConfigMap.name, items: toItems(caConfigMap, 'ca') } }] : []),
      ...(caSecret ? [{ name, secret: { secretName: caSecret.name, items: toItems(caSecret, 'ca') } }] : []),
    ]
  })

const toItems = ({ key }: z.infer<typeof entry>, what: 'headers' | 'ca') => [{ key, path: forwardFile[what] }]
