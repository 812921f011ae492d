import { buildVirtualHostResource } from '#xds/build/build-virtual-host.ts'
import { compileEgress } from '#xds/compile/compile-egress.ts'
import { compileRoutedHost } from '#xds/compile/compile-routed-host.ts'
import { collectProblems } from '#xds/compile/report.ts'
import { findSidecar } from '#xds/compile/select-sidecar.ts'
import type { Unit } from '#xds/incremental/unit.ts'
import { toClientKey, type Client } from './client.ts'
import { upstreamsUnit } from './upstreams-unit.ts'

/** A host that VirtualServices alone know to a class of sidecars. */
export const routedHostUnit = (client: Client, sidecarKey: string, host: string): Unit => ({
  key: `routed-host|${toClientKey(client)}|${sidecarKey}|${host}`,
  compile(view) {
    const { problems, report } = collectProblems()
    const egress = compileEgress(view.meshConfig(), findSidecar(view, sidecarKey), client)
    const compiled = compileRoutedHost(view, egress, host, client, report)
    return {
      resources: compiled.map(({ virtualHost }) => buildVirtualHostResource(virtualHost)),
      includes: compiled.flatMap(({ reached }) => reached.map((each) => upstreamsUnit(view, each, client))),
      problems,
    }
  },
})
