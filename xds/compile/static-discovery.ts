import type { Discovery } from '#xds/model/upstream.ts'

/** One address; the port is 0 with a Unix domain socket. */
export const toStaticDiscovery = (
  upstream: string,
  target: { readonly address: string; readonly port: number },
): Discovery => {
  const endpoint = { ...target, weight: 1, isDraining: false, transport: 'mesh' as const }
  return {
    kind: 'static',
    assignment: { upstream, localities: [{ locality: '', priority: 0, endpoints: [endpoint] }] },
  }
}
