import { isCalled } from '#xds/model/is-called.ts'
import type { FilterChain, Listener } from '#xds/model/listener.ts'
import type { PlacedPlugin } from '#xds/model/wasm-plugin.ts'

/** The plugins that what comes by a filter chain meets (Istio reference: WasmPlugin.TrafficSelector). */
export const selectPlugins = (
  plugins: readonly PlacedPlugin[],
  listener: Listener,
  chain: FilterChain,
): readonly PlacedPlugin[] => {
  const own = isCalled(listener) ? 'server' : 'client'
  const port = toPort(listener, chain)
  return plugins.filter(
    ({ traffic }) =>
      traffic.length === 0 ||
      traffic.some(
        ({ side, ports }) =>
          (side ?? own) === own && (ports.length === 0 || (port !== undefined && ports.includes(port))),
      ),
  )
}

/** Of the called application or service; undefined = any that no service names. */
const toPort = ({ role, port }: Listener, { match }: FilterChain): number | undefined =>
  match.destinationPort ?? (role === 'capture' || role === 'gate' ? undefined : port)
