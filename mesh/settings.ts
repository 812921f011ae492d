import { z } from 'zod'
import { meshName, trustDomain } from './names.ts'

/** What holds for a whole mesh. Changed by PATCH on the mesh; travels to every agent. */
export const meshSettings = z
  .object({
    meshId: z.string(),
    meshName,
    trustDomain,
    /** Suffix of `Service` host names: `<name>.<namespace>.svc.<suffix>`. */
    domainSuffix: z.string().default('cluster.local'),
    /** What a proxy does with destinations that the mesh does not know (Istio MeshConfig.outboundTrafficPolicy). */
    outboundPolicy: z.enum(['allow-any', 'registry-only']).default('allow-any'),
    /** Whether sidecars also take plaintext (Istio PeerAuthentication's mesh-wide mode). */
    inboundMtls: z.enum(['strict', 'permissive']).default('strict'),
    /** Port of the sidecar's HTTP proxy (Istio MeshConfig.proxyHttpPort); 0 = off. */
    proxyHttpPort: z.int().min(0).max(65535).default(15007),
    /** Namespace whose Sidecar, DestinationRule … objects hold for all namespaces (Istio MeshConfig.rootNamespace). */
    rootNamespace: z.string().default('atoll-system'),
  })
  .readonly()
export type MeshSettings = z.infer<typeof meshSettings>
