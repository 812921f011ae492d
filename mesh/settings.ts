import { z } from 'zod'
import { readMeshConfig, type WrittenMeshConfig } from './config/mesh-config.ts'
import { defaultKeyAlgorithm, keyAlgorithm, type KeyAlgorithm } from './key-algorithm.ts'
import { meshName, trustDomain } from './names.ts'

const retentionDays = z.int().min(1).max(365)

const keys = {
  root: keyAlgorithm.optional(),
  intermediate: keyAlgorithm.optional(),
  leaf: keyAlgorithm.optional(),
}

const fields = {
  meshId: z.string(),
  meshName,
  trustDomain,
  /** Suffix of `Service` host names: `<name>.<namespace>.svc.<suffix>`. */
  domainSuffix: z.string().default('cluster.local'),
  /** Whether sidecars also take plaintext (Istio PeerAuthentication's mesh-wide mode). */
  inboundMtls: z.enum(['strict', 'permissive']).default('strict'),
  /** How many days access logs and spans are kept; absent: 7 (worker/telemetry/place.ts). */
  logRetentionDays: retentionDays.optional(),
  traceRetentionDays: retentionDays.optional(),
  /** What the private keys of the mesh's trust are: of its next root, of the clusters' intermediates, of workloads. Absent: ECDSA on P-256. */
  keys: z.object(keys).readonly().optional(),
  /** Istio's MeshConfig as people write it; `readMeshConfig` reads it. What it leaves out has Istio's defaults. */
  meshConfig: z.record(z.string(), z.unknown()).default({}),
}

/** Where version 0.1 has what is in `meshConfig` now: its agents get it there, and its planes' settings are read from there. */
const olderFields = z.object({
  outboundPolicy: z.enum(['allow-any', 'registry-only']).optional(),
  proxyHttpPort: z.int().optional(),
  rootNamespace: z.string().optional(),
})
type OlderFields = z.infer<typeof olderFields>

const toMeshConfig = ({ outboundPolicy, proxyHttpPort, rootNamespace }: OlderFields): WrittenMeshConfig => ({
  ...(outboundPolicy === 'registry-only' && { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } }),
  ...(proxyHttpPort !== undefined && { proxyHttpPort }),
  ...(rootNamespace !== undefined && { rootNamespace }),
})

const withMeshConfig = (value: unknown): unknown => {
  const older = olderFields.safeParse(value)
  if (!older.success || typeof value !== 'object' || value === null || 'meshConfig' in value) return value
  return { ...value, meshConfig: toMeshConfig(older.data) }
}

/** What a key is to be, as the settings say. */
export const keyOf = (settings: MeshSettings, of: keyof typeof keys): KeyAlgorithm =>
  settings.keys?.[of] ?? defaultKeyAlgorithm

/** What holds for a whole mesh. Changed by PATCH on the mesh; travels to every agent. */
export const settingsFields = z.object(fields)
export const meshSettings = z.preprocess(withMeshConfig, settingsFields.readonly())
export type MeshSettings = z.infer<typeof meshSettings>

const toldKey = keyAlgorithm.optional().catch(undefined)

/**
 * The settings as a plane tells them, which may be newer than who reads them: what is not known here is at its default, or as strict as can be where
 * it is about who may do what. One word that a newer version has must not take all of the settings away. Of `meshConfig` see `readMeshConfig`.
 */
export const toldSettings = z.preprocess(
  withMeshConfig,
  z
    .object({
      ...fields,
      inboundMtls: fields.inboundMtls.catch('strict'),
      logRetentionDays: fields.logRetentionDays.catch(undefined),
      traceRetentionDays: fields.traceRetentionDays.catch(undefined),
      keys: z.object({ root: toldKey, intermediate: toldKey, leaf: toldKey }).readonly().optional().catch(undefined),
    })
    .readonly(),
)

/** The settings as agents of version 0.1 understand them too. */
export const withOlderFields = (settings: MeshSettings): MeshSettings & OlderFields => {
  const { outboundTrafficPolicy, proxyHttpPort, rootNamespace } = readMeshConfig(settings.meshConfig)
  const outboundPolicy = outboundTrafficPolicy.mode === 'ALLOW_ANY' ? 'allow-any' : 'registry-only'
  return { ...settings, outboundPolicy, proxyHttpPort, rootNamespace }
}

/** What the plane has stored, by this version or by the one before. */
export const readStoredSettings = (json: string): MeshSettings => withMeshConfig(JSON.parse(json)) as MeshSettings
