import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { askAdmin } from '#test/harness/ask-admin.ts'
import { eventually } from '#test/harness/child.ts'
import { workload } from '#test/harness/manifests.ts'
import { World, type WorldProxy } from '#test/harness/world.ts'
import { signIn } from '../bench-mesh.ts'
import { toYaml, withoutFilters } from './policy-sides.ts'

const CHAINS = 200
const firstPort = 20_000

/** Bytes of Envoy's memory for each HTTP chain that is called (Envoy's own count of what is allocated). */
export interface PolicyMemoryReport {
  readonly chains: number
  readonly bytesOfChain: number
  readonly bytesOfChainWithoutFilters: number
}

/** A sidecar with so many ports, each with its own chain, and one with none of them: with the filters of access, and without. */
export const measurePolicyMemory = async (
  directory: string,
  tell: (step: string) => void,
): Promise<PolicyMemoryReport> => {
  const world = await World.create(directory)
  try {
    await signIn(world)
    const cluster = await world.join('east', 'flat')
    const names = { few: 10, many: 11 }
    await world.writeRegistry(
      cluster,
      'all.yaml',
      Object.entries(names)
        .flatMap(([name, octet]) => [
          workload({ name, address: `${cluster.prefix}.${octet}`, labels: { app: name }, serviceAccount: name }),
          toService(name, name === 'many' ? CHAINS + 1 : 1),
        ])
        .join('---\n'),
    )
    await world.startAgent(cluster)
    const add = (workloadName: keyof typeof names) =>
      world.addProxy(cluster, {
        role: 'sidecar',
        serviceAccount: workloadName,
        workload: workloadName,
        octet: names[workloadName],
      })
    const sidecars = { few: await add('few'), many: await add('many') }
    const measureChain = async (): Promise<number> =>
      Math.round(
        ((await readAllocated(world, sidecars.many, CHAINS + 1)) - (await readAllocated(world, sidecars.few, 1))) /
          CHAINS,
      )
    tell('with filters')
    const bytesOfChain = await measureChain()
    tell('without filters')
    const file = join(directory, 'bare.yaml')
    await writeFile(file, toYaml(withoutFilters))
    await world.atoll(['apply', '--wait', '-f', file])
    return { chains: CHAINS, bytesOfChain, bytesOfChainWithoutFilters: await measureChain() }
  } finally {
    await world.stop()
  }
}

/** A Service of so many ports, and a Sidecar so that nothing else is in the proxy. */
const toService = (name: string, ports: number): string => `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: default}
spec:
  selector: {app: ${name}}
  ports:
${Array.from(
  { length: ports },
  (_, index) => `  - {name: http-${index}, port: ${firstPort + index}, targetPort: ${firstPort + index}}\n`,
).join('')}---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: ${name}, namespace: default}
spec: {workloadSelector: {labels: {app: ${name}}}, egress: [{hosts: ["./none.invalid"]}]}
`

/** Of an Envoy that has just been started and has its listeners. */
const readAllocated = async (world: World, proxy: WorldProxy, ports: number): Promise<number> => {
  world.startEnvoy(proxy)
  try {
    await eventually(`${proxy.name} has all of its listeners`, async () => {
      const stats = await askAdmin(
        join(proxy.directory, 'admin.sock'),
        '/stats?filter=^listener_manager.total_listeners',
      )
      return readStatistic(stats, 'active') > ports && readStatistic(stats, 'warming') === 0
    })
    const { allocated } = JSON.parse(await askAdmin(join(proxy.directory, 'admin.sock'), '/memory')) as {
      allocated: string
    }
    return Number(allocated)
  } finally {
    await proxy.envoy?.stop()
  }
}

const readStatistic = (stats: string, name: string): number =>
  Number(new RegExp(`total_listeners_${name}: (\\d+)`).exec(stats)?.[1] ?? Number.NaN)
