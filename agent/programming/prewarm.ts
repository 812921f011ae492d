import type { StateItem } from '#mesh/state.ts'
import { MAX_IDLE_CLASSES, type Compiler } from '#xds/compiler.ts'

/**
 * Compiles what the sidecars that may come would be given, before they come: after a restart all of them come at once. The compiler
 * keeps the last few classes that nobody is in.
 */
export const prewarm = (compiler: Pick<Compiler, 'attach' | 'detach'>, state: Iterable<StateItem>): void => {
  const sidecars = [...state].flatMap((item) =>
    item.kind === 'machine-token' && item.value.role === 'sidecar' ? [item.value] : [],
  )
  const byNamespace = new Map(sidecars.map((token) => [token.namespace, token]))
  for (const sidecar of [...byNamespace.values()].slice(0, MAX_IDLE_CLASSES)) {
    compiler.attach(sidecar)
    compiler.detach(sidecar)
  }
}
