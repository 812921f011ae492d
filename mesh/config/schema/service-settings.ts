import { z } from 'zod'
import { hostFault } from './host-names.ts'
import { checked, message } from './message.ts'

const serviceHost = checked(z.string(), ({ value, report }) => {
  const fault = value === '*' ? undefined : hostFault(value)
  if (fault !== undefined) report(fault)
})

const settings = message({ clusterLocal: z.boolean().optional() }).optional()

/** Istio reference: MeshConfig.ServiceSettings. */
export const serviceSettings = message({ settings, hosts: z.array(serviceHost) })
type ServiceSettings = z.output<typeof serviceSettings>

/** More than is understood may say anything of hosts that are not said to be elsewhere too. */
const strangeSettings = z.union([
  message({ settings, hosts: z.unknown() }),
  z.object({ settings: z.object({ clusterLocal: z.boolean() }) }).catch({ settings: { clusterLocal: true } }),
])

const strangeHosts = z.object({ hosts: z.array(z.unknown()) }).catch({ hosts: [] })

const everythingLocal: ServiceSettings = { settings: { clusterLocal: true }, hosts: ['*'] }

/**
 * Settings of a newer version, entry by entry as strict as they can be. Where one makes hosts local that are not
 * understood, any host may be one of them; closer hosts that are understood hold all the same. For all hosts the first
 * of several settings counts, so that this one is the first. Of hosts that are said to be elsewhere too nothing is let
 * through by leaving them out: what holds for them then, wider settings or the default, is as strict or stricter.
 */
export const toStrictServiceSettings = (value: unknown): readonly ServiceSettings[] => {
  if (!Array.isArray(value)) return [everythingLocal]
  const read = value.map(readEntry)
  return [...(read.some(({ isWider }) => isWider) ? [everythingLocal] : []), ...read.flatMap(({ entry }) => entry)]
}

interface ReadEntry {
  readonly entry: readonly ServiceSettings[]
  /** Whether it makes more hosts local than are understood. */
  readonly isWider: boolean
}

const readEntry = (value: unknown): ReadEntry => {
  const understood = serviceSettings.safeParse(value)
  if (understood.success) return { entry: [understood.data], isWider: false }
  const { settings: read } = strangeSettings.parse(value)
  const { hosts: written } = strangeHosts.parse(value)
  const hosts = written.flatMap((host) => serviceHost.safeParse(host).data ?? [])
  return {
    entry: hosts.length > 0 ? [{ settings: read, hosts }] : [],
    isWider: read?.clusterLocal === true && (hosts.length === 0 || hosts.length < written.length),
  }
}
