import { buildListener } from '#xds/build/build-listener.ts'
import { compileEgress } from '#xds/compile/compile-egress.ts'
import { compileOutboundListeners } from '#xds/compile/compile-outbound-listeners.ts'
import { collectProblems } from '#xds/compile/report.ts'
import { findSidecar } from '#xds/compile/select-sidecar.ts'
import type { Unit } from '#xds/incremental/unit.ts'

export interface OutboundPlace {
  readonly namespace: string
  readonly isCaptured: boolean
  /** Where egress points without an address of their own listen. */
  readonly loopback: string
}

/** The listeners of a class's egress points. */
export const outboundUnit = ({ namespace, isCaptured, loopback }: OutboundPlace, sidecarKey: string): Unit => ({
  key: `outbound|${namespace}|${sidecarKey}|${loopback}${isCaptured ? '|captured' : ''}`,
  compile(view) {
    const { problems, report } = collectProblems()
    const egress = compileEgress(view.meshConfig(), findSidecar(view, sidecarKey), isCaptured)
    const listeners = compileOutboundListeners(
      view,
      egress,
      { namespace, isCaptured, loopback, object: sidecarKey },
      report,
    )
    return { resources: listeners.map(buildListener), problems }
  },
})
