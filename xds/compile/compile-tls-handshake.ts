import type { MeshConfig } from '#mesh/config/mesh-config.ts'
import type { TlsHandshake } from '#xds/model/listener-defaults.ts'

/** Istio reference: MeshConfig.TLSConfig. */
export const compileTlsHandshake = ({
  ecdhCurves,
  cipherSuites,
}: Partial<Pick<MeshConfig['tlsDefaults'], 'ecdhCurves' | 'cipherSuites'>>): TlsHandshake => ({
  ...(ecdhCurves?.length && { curves: [...new Set(ecdhCurves)] }),
  ...(cipherSuites?.length && { cipherSuites: [...new Set(cipherSuites)] }),
})
