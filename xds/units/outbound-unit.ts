import { compileEgress } from '#xds/compile/compile-egress.ts'
import { compileOutboundListeners } from '#xds/compile/compile-outbound-listeners.ts'
import type { TcpClient } from '#xds/compile/compile-service-tcp.ts'
import { collectProblems } from '#xds/compile/report.ts'
import { findSidecar } from '#xds/compile/select-sidecar.ts'
import type { Unit } from '#xds/incremental/unit.ts'
import { buildListeners } from './build-listeners.ts'
import { toConnectionKey, type Told } from './client.ts'

export interface OutboundPlace extends TcpClient, Told {
  /** Where egress points without an address of their own listen. */
  readonly loopback: string
}

/** The listeners of a class's egress points. */
export const outboundUnit = (place: OutboundPlace, sidecarKey: string): Unit => ({
  key: `outbound|${toConnectionKey(place)}|${sidecarKey}|${place.loopback}${place.isCaptured ? '|captured' : ''}`,
  compile(view) {
    const { problems, report } = collectProblems()
    const egress = compileEgress(view.meshConfig(), findSidecar(view, sidecarKey), place)
    const listeners = compileOutboundListeners(view, egress, { ...place, object: sidecarKey }, report)
    return { resources: buildListeners(view, listeners, place), problems }
  },
})
