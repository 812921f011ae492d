import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Narrator } from '#test/demo/narrator.ts'
import { workload } from '#test/harness/manifests.ts'
import { writeOwnCertificate } from '#test/harness/server-certificate.ts'
import type { TwoClusters } from '#test/harness/two-clusters.ts'
import { ApiGateway, type ApiUpstream } from './api-gateway.ts'
import { describeSeen, seeBothClusters } from './seen.ts'

const manifest = new URL('../../docs/examples/api-gateways/outside.yaml', import.meta.url)
const host = 'api.example.org'

/** An API gateway outside of the mesh, in front of the ingress gateway of east. */
export const tellOutside = async ({ world, east }: TwoClusters, narrator: Narrator): Promise<void> => {
  narrator.chapter('An API gateway outside, in front of the ingress gateway of east')
  const folder = join(world.directory, 'certificates')
  await mkdir(folder, { recursive: true })
  const server = await writeOwnCertificate(folder, 'server', { type: 'dns', value: host })
  const client = await writeOwnCertificate(folder, 'api-gateway', { type: 'dns', value: 'api-gateway.example.org' })

  const address = `${east.prefix}.20`
  const ingress = { name: 'ingress', address, labels: { istio: 'ingressgateway' }, serviceAccount: 'ingress' }
  await world.writeRegistry(east, 'ingress.yaml', workload(ingress))
  world.startEnvoy(
    await world.addProxy(east, { role: 'gateway', serviceAccount: 'ingress', workload: 'ingress', octet: 20 }),
  )
  const file = join(world.directory, 'outside.yaml')
  await writeFile(file, (await readFile(manifest, 'utf8')).replaceAll('/etc/ingress', folder))
  narrator.command('atoll apply --wait -f docs/examples/api-gateways/outside.yaml')
  await world.atoll(['apply', '--wait', '-f', file])

  const options = { host: address, port: 8443, servername: host, ca: await readFile(server.file, 'utf8') }
  const upstream: ApiUpstream = { secure: true, options, origin: '', host }
  const identity = { cert: await readFile(client.file, 'utf8'), key: await readFile(client.keyFile, 'utf8') }
  const api = await ApiGateway.start({ ...upstream, options: { ...options, ...identity } })
  const stranger = await ApiGateway.start(upstream)
  try {
    const seen = await seeBothClusters(api)
    const ofIngress = `spiffe://${world.mesh}.atoll.local/ns/default/sa/ingress`
    narrator.check('enters by east, is served by both clusters', seen.consumers.join() === 'acme', describeSeen(seen))
    narrator.check('the services see the ingress call', seen.callers.join() === ofIngress, seen.callers.join())
    const { status } = await api.call('/reviews/1', 'no key')
    narrator.check('without its key nobody passes the API gateway', status === 401, String(status))
    const { status: unknown } = await api.call('/other')
    narrator.check('what no route is for is not there', unknown === 404, String(unknown))
    const { status: refused } = await stranger.call('/reviews/1')
    narrator.check("who has not the API gateway's certificate is refused", refused === 502, String(refused))
  } finally {
    await Promise.all([api.stop(), stranger.stop()])
  }
}
