import { fileURLToPath } from 'node:url'
import type { Narrator } from '#test/demo/narrator.ts'
import { eventually } from '#test/harness/child.ts'
import { workload } from '#test/harness/manifests.ts'
import { describeAnswers, type TwoClusters } from '#test/harness/two-clusters.ts'
import { ApiGateway } from './api-gateway.ts'
import { describeSeen, see, seeBothClusters } from './seen.ts'

const manifest = fileURLToPath(new URL('../../docs/examples/api-gateways/attached.yaml', import.meta.url))

/**
 * An API gateway outside of the clusters, on a machine with an agent and an Envoy: a cluster of its own, on a network of its own. From that
 * Envoy to the service it is mTLS of the mesh.
 */
export const tellAttached = async (mesh: TwoClusters, narrator: Narrator): Promise<void> => {
  const { world } = mesh
  narrator.chapter('An API gateway outside with an Envoy attached')
  narrator.command('atoll cluster join edge --network net-edge')
  const edge = await world.join('edge', 'net-edge')
  const address = `${edge.prefix}.10`
  const entry = { name: 'edge-api', address, labels: { app: 'edge-api' }, serviceAccount: 'edge-api' }
  await world.writeRegistry(edge, 'edge-api.yaml', workload(entry))
  await world.startAgent(edge)
  world.startEnvoy(
    await world.addProxy(edge, { role: 'sidecar', serviceAccount: 'edge-api', workload: 'edge-api', octet: 10 }),
  )
  const api = await ApiGateway.startBesideSidecar(address)
  try {
    const seen = await seeBothClusters(api)
    const identity = `spiffe://${world.mesh}.atoll.local/ns/default/sa/edge-api`
    narrator.check(
      'the services of both clusters see its own identity',
      seen.callers.join() === identity,
      describeSeen(seen),
    )

    narrator.command('atoll apply --wait -f docs/examples/api-gateways/attached.yaml')
    await world.atoll(['apply', '--wait', '-f', manifest])
    const routed = await eventually('only v2 answers the edge', async () => {
      const each = await see(api, '/reviews/1')
      return each.failed === 0 && each.apps.join() === 'reviews-v2' && each
    })
    narrator.check('the mesh says what it gets: v2 alone', true, describeSeen(routed))
    const { status } = await api.call('/private')
    narrator.check('and what it does not', status === 403, String(status))
    const others = await mesh.requests(30)
    narrator.check('others are not concerned', others.failed === 0 && others.byApp.size === 2, describeAnswers(others))
  } finally {
    await api.stop()
  }
}
