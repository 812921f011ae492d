import { passthroughUpstream } from '#xds/compile/resource-names.ts'
import { findScope } from './explain-outbound.ts'
import { toAuthority } from './call.ts'
import type { End, Stop, Verdict, Way } from './explanation.ts'
import type { Callee } from './find-callee.ts'
import type { Served } from './served.ts'

/** What is to be said of a call of which all goes this way: nothing arrives. */
export const toNotReachable = (stop: Stop): Verdict => ({
  ...stop,
  outcome: 'not-reachable',
  reachable: false,
  share: 0,
  unknownShare: 0,
})

/**
 * What becomes of a call: all arrives, nothing does, a share is known not to, or nothing is known to stop it. That it arrives is said only where all of it was
 * followed to the end.
 */
export const toVerdict = (ways: readonly Way[], callee: Callee, served: Served | undefined): Verdict => {
  const followed = ways.flatMap((way) => way.ends)
  const ends = followed.length > 0 ? followed : nowhere
  const stopped = ends.find(({ stop }) => stop)?.stop
  const limited = ends.find(({ stop, limit }) => !stop && limit)?.limit
  const share = toSum(ends.filter(({ stop, limit }) => !stop && !limit))
  const unknownShare = toSum(ends.filter(({ stop, limit }) => !stop && limit))
  const shares = { reachable: false, share, unknownShare }
  const arrive = share > 0 ? [`${toPercent(share)} of the calls arrive.`] : []
  if (!limited) {
    if (!stopped) return toReachable(ways, callee, served)
    if (share === 0) return toNotReachable(stopped)
    const text = [...arrive, `Of the others: ${stopped.text}`].join(' ')
    return { ...stopped, ...shares, outcome: 'partly-reachable', text }
  }
  if (stopped) {
    const unknown = `Of ${toPercent(unknownShare)} of the calls it is not known: ${limited.text}.`
    const text = [...arrive, unknown, `Of the others: ${stopped.text}`].join(' ')
    return { ...stopped, ...shares, outcome: 'partly-reachable', text }
  }
  const text = [...arrive, share > 0 ? `Of the others: ${limited.text}` : limited.text].join(' ')
  return { ...limited, ...shares, outcome: 'unknown', text }
}

/** A route may leave to the request, or to a filter, which EnvoyCluster it leads to. */
const nowhere: readonly End[] = [
  {
    share: 1,
    limit: {
      code: 'not-followed',
      text: 'Which EnvoyCluster it leads to is settled only while it is under way',
      fix: 'Read the route with "atoll proxy config", and the EnvoyFilter that changed it.',
    },
  },
]

const toSum = (ends: readonly End[]): number => ends.reduce((sum, { share }) => sum + share, 0)

/** Of the calls. */
export const toPercent = (share: number): string => `${Math.round(share * 1000) / 10} %`

const toReachable = (ways: readonly Way[], callee: Callee, served: Served | undefined): Verdict => {
  const reachable = { outcome: 'reachable', reachable: true, share: 1, unknownShare: 0 } as const
  const isPassedOn = ways.some(({ xdsCluster }) => xdsCluster === passthroughUpstream)
  if (!isPassedOn) return { ...reachable, code: 'reachable', text: 'It arrives' }
  const { hidden, service, call } = callee
  const [sidecar] = served ? findScope(served) : []
  const toPassedOn = (why: string, fix?: string): Verdict => ({
    ...reachable,
    code: 'passed-on',
    text: `It is passed on as it is, past the mesh's routes, retries and mTLS: ${why}`,
    ...(fix !== undefined && { fix }),
  })
  if (!service) return toPassedOn(`the mesh knows no ${call.host}`)
  if (hidden) return toPassedOn(hidden.text, hidden.fix)
  if (!sidecar) return toPassedOn(`its proxy knows no ${toAuthority(call)}`)
  return toPassedOn(
    `${sidecar.object} leaves ${service.hostname} out`,
    `Add ${service.namespace}/${service.hostname} to the hosts of its egress.`,
  )
}
