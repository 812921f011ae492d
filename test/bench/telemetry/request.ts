import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SidecarPair, toRequestCost, type RequestCost, type RequestLoad, type Turns } from '../sidecar-pair.ts'

/** Both ways take turns: what else goes on on the machine is then of both. */
const ROUNDS = 3

/** Of a request from sidecar to sidecar, by mTLS. */
export interface RequestReport {
  readonly requestsPerSecond: number
  readonly on: RequestCost
  readonly off: RequestCost
}

const off = `apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: off, namespace: atoll-system}
spec:
  accessLogging: [{disabled: true}]
  metrics: [{providers: [{name: prometheus}], overrides: [{match: {metric: ALL_METRICS, mode: CLIENT_AND_SERVER}, disabled: true}]}]
  tracing: [{disableSpanReporting: true, randomSamplingPercentage: 0}]
`

export const measureRequests = async (
  directory: string,
  load: RequestLoad,
  tell: (step: string) => void,
): Promise<RequestReport> => {
  const pair = await SidecarPair.open(directory)
  try {
    const file = join(directory, 'off.yaml')
    await writeFile(file, off)
    const turns: Record<'on' | 'off', Turns[]> = { on: [], off: [] }
    for (let round = 1; round <= ROUNDS; round += 1)
      for (const side of ['on', 'off'] as const) {
        tell(`${round} of ${ROUNDS}, ${side}`)
        if (side === 'off') await pair.world.atoll(['apply', '--wait', '-f', file])
        else if (round > 1) await pair.world.atoll(['delete', 'Telemetry/atoll-system/off', '--wait'])
        turns[side].push(await pair.run(load))
      }
    return { requestsPerSecond: load.requestsPerSecond, on: toRequestCost(turns.on), off: toRequestCost(turns.off) }
  } finally {
    await pair.close()
  }
}
