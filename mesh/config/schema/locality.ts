import { z } from 'zod'
import { checked, message } from './message.ts'
import { topologyLabels } from '../../topology.ts'

type Report = (message: string, path?: readonly PropertyKey[]) => void

/** What is wrong with a pattern such as "region/zone/*". */
const patternFault = (pattern: string): string | undefined => {
  if (pattern.split('/', 3).includes('')) return 'must not have an empty region, zone or subzone'
  const star = pattern.indexOf('*')
  return star === -1 || star === pattern.length - 1 ? undefined : 'can have one "*", at its end'
}

/** Whether a pattern says something of localities that an earlier one has said something of (a later one may be wider). */
const overlapsEarlier = (pattern: string, earlier: string): boolean => {
  const [region, zone, subzone] = pattern.split('/')
  const [earlierRegion, earlierZone, earlierSubzone] = earlier.split('/')
  if (earlier === '*') return true
  if (region !== earlierRegion) return false
  if (zone === undefined || earlierZone === undefined || earlierZone === '*') return true
  if (zone !== earlierZone) return false
  return subzone === undefined || earlierSubzone === undefined || earlierSubzone === '*' || subzone === earlierSubzone
}

const checkPatterns = (patterns: readonly string[], report: Report, toPath: (index: number) => PropertyKey[]): void => {
  for (const [index, pattern] of patterns.entries()) {
    const fault = patternFault(pattern)
    const earlier = patterns.slice(0, index).find((other) => overlapsEarlier(pattern, other))
    if (fault !== undefined) report(fault, toPath(index))
    else if (earlier !== undefined) report(`overlaps with "${earlier}"`, toPath(index))
  }
}

const distribution = checked(
  message({
    from: z.string(),
    to: z.record(z.string(), z.int('must be a whole number').min(1).max(100)).default({}),
  }),
  ({ value, sound, report }) => {
    if (!sound) return
    const sum = Object.values(value.to).reduce((total, weight) => total + weight, 0)
    if (sum !== 100) report(`the weights add up to ${sum}, not to 100`, ['to'])
    const patterns = Object.keys(value.to)
    checkPatterns(patterns, report, (index) => ['to', patterns[index] ?? ''])
  },
)

const region = checked(z.string(), ({ value, report }) => {
  if (/[/*]/.test(value)) report('must be a region: no zone, no "*"')
})
const failover = checked(message({ from: region.default(''), to: region.default('') }), ({ value, sound, report }) => {
  if (sound && value.from === value.to) report('"from" and "to" must be different regions')
})

const ofLocality: readonly string[] = [topologyLabels.region, topologyLabels.zone, topologyLabels.subzone]

/** networking.istio.io LocalityLoadBalancerSetting. */
export const localityLbSetting = checked(
  message({
    distribute: z.array(distribution).optional(),
    failover: z.array(failover).optional(),
    /** "label", or "label=value" where a value other than the client's own counts. */
    failoverPriority: z.array(z.string()).optional(),
    enabled: z.boolean().optional(),
  }),
  ({ value, report }) => {
    const { distribute = [], failover: regions = [], failoverPriority = [] } = value
    if (distribute.length > 0 && regions.length > 0) report('takes only one of distribute, failover')
    if (regions.length > 0) {
      for (const [index, label] of failoverPriority.entries())
        if (ofLocality.includes(label)) report("can't stand together with failover", ['failoverPriority', index])
    }
    checkPatterns(
      distribute.map(({ from }) => from),
      report,
      (index) => ['distribute', index, 'from'],
    )
  },
)
export type LocalityLbSetting = z.output<typeof localityLbSetting>
