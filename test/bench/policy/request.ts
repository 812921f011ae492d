import { SidecarPair, toRequestCost, type RequestCost, type RequestLoad, type Turns } from '../sidecar-pair.ts'
import { toPolicySides, toYaml, type PolicySide } from './policy-sides.ts'

/** All ways take turns: what else goes on on the machine is then of all. */
const ROUNDS = 3

/** Of a request from sidecar to sidecar by mTLS, under each kind of policy at the one that is called. */
export interface PolicyRequestReport {
  readonly requestsPerSecond: number
  readonly sides: Readonly<Record<string, RequestCost>>
}

export const measurePolicyRequests = async (
  directory: string,
  load: RequestLoad,
  tell: (step: string) => void,
): Promise<PolicyRequestReport> => {
  const pair = await SidecarPair.open(directory)
  try {
    const sides = toPolicySides()
    const turns = new Map<PolicySide, Turns[]>(sides.map((side) => [side, []]))
    for (let round = 1; round <= ROUNDS; round += 1)
      for (const [side, taken] of turns) {
        tell(`${round} of ${ROUNDS}, ${side.name}`)
        taken.push(await runSide(pair, side, load))
      }
    return {
      requestsPerSecond: load.requestsPerSecond,
      sides: Object.fromEntries(Array.from(turns, ([{ name }, taken]) => [name, toRequestCost(taken)])),
    }
  } finally {
    await pair.close()
  }
}

const runSide = async (pair: SidecarPair, { objects, headers }: PolicySide, load: RequestLoad): Promise<Turns> => {
  await pair.apply(objects.map(toYaml))
  const turns = await pair.run(load, headers)
  await pair.remove(objects)
  return turns
}
