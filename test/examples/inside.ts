import type { Narrator } from '#test/demo/narrator.ts'
import { workload } from '#test/harness/manifests.ts'
import type { TwoClusters } from '#test/harness/two-clusters.ts'
import { ApiGateway } from './api-gateway.ts'
import { describeSeen, seeBothClusters } from './seen.ts'

/** An API gateway that is a workload of east with a sidecar. Its clients reach its own port; there is no ingress. */
export const tellInside = async ({ world, east }: TwoClusters, narrator: Narrator): Promise<void> => {
  narrator.chapter('An API gateway in east with a sidecar of its own, and no ingress')
  const address = `${east.prefix}.30`
  const entry = { name: 'api-gateway', address, labels: { app: 'api-gateway' }, serviceAccount: 'api-gateway' }
  await world.writeRegistry(east, 'api-gateway.yaml', workload(entry))
  world.startEnvoy(
    await world.addProxy(east, { role: 'sidecar', serviceAccount: 'api-gateway', workload: 'api-gateway', octet: 30 }),
  )
  const api = await ApiGateway.startBesideSidecar(address)
  try {
    const seen = await seeBothClusters(api)
    const identity = `spiffe://${world.mesh}.atoll.local/ns/default/sa/api-gateway`
    narrator.check('calls the services of both clusters', seen.consumers.join() === 'acme', describeSeen(seen))
    narrator.check('they see the API gateway itself call', seen.callers.join() === identity, seen.callers.join())
    const { status } = await api.call('/reviews/1', 'no key')
    narrator.check('without its key nobody passes it', status === 401, String(status))
  } finally {
    await api.stop()
  }
}
