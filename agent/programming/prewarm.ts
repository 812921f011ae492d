import type { StateItem } from '#mesh/state.ts'
import { MAX_IDLE_CLASSES, type Compiler } from '#xds/compiler.ts'
import type { Proxy } from '#xds/proxy.ts'

/**
 * Compiles what the sidecars that may come would be given, before they come: after a restart all of them come at once. On machines they are
 * those with a token, in Kubernetes those that run (`started`). The compiler keeps the last few classes that nobody is in: those of the
 * namespaces with the most of them.
 */
export const prewarm = (
  compiler: Pick<Compiler, 'attach' | 'detach'>,
  state: Iterable<StateItem>,
  started: readonly Proxy[],
): void => {
  const machines = [...state].flatMap((item) => (item.kind === 'machine-token' ? [item.value] : []))
  const sidecars = [...machines, ...started].filter(({ role }) => role === 'sidecar')
  const byNamespace = [...Map.groupBy(sidecars, ({ namespace }) => namespace).values()]
  for (const [sidecar] of byNamespace.toSorted((a, b) => b.length - a.length).slice(0, MAX_IDLE_CLASSES)) {
    if (!sidecar) continue
    compiler.attach(sidecar)
    compiler.detach(sidecar)
  }
}
