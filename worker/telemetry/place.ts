import { z } from 'zod'
import type { MeshSettings } from '#mesh/settings.ts'

/** Whose telemetry it is: one object, and one folder of the archive, for each. */
export const place = z.object({ orgId: z.string(), meshId: z.string(), cluster: z.string() })
export type Place = Readonly<z.infer<typeof place>>

/** How many days what is kept. */
export const retention = z.object({ logDays: z.int().min(1), traceDays: z.int().min(1) })
export type Retention = Readonly<z.infer<typeof retention>>

const DEFAULT_DAYS = 7

/** As a mesh's settings say it. */
export const toRetention = ({
  logRetentionDays,
  traceRetentionDays,
}: Pick<MeshSettings, 'logRetentionDays' | 'traceRetentionDays'>): Retention => ({
  logDays: logRetentionDays ?? DEFAULT_DAYS,
  traceDays: traceRetentionDays ?? DEFAULT_DAYS,
})

/** The folder of the archive that holds a place's telemetry, and nothing else's. */
export const toFolder = ({ orgId, meshId, cluster }: Place): string => `${orgId}/${meshId}/${cluster}/`
