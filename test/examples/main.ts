import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toErrorMessage } from '#mesh/error-message.ts'
import { createNarrator } from '#test/demo/narrator.ts'
import { TwoClusters } from '#test/harness/two-clusters.ts'
import { World } from '#test/harness/world.ts'
import { apiGatewayExamples } from './api-gateway-examples.ts'

const usage = `npm run example -- NAME…

API gateways and a mesh over two clusters, on this machine's loopback addresses, with real Envoys; needs no root. docs/api-gateways.md tells more.
  outside    an API gateway outside, in front of the ingress gateway of one cluster
  inside     an API gateway in one cluster with a sidecar of its own, and no ingress
  attached   an API gateway outside with an Envoy attached: mTLS of the mesh all the way
`

const write = (line: string): void => void process.stdout.write(`${line}\n`)

const main = async (): Promise<number> => {
  const names = process.argv.slice(2)
  const tellers = names.map((name) => apiGatewayExamples.get(name))
  if (names.includes('--help') || names.length === 0 || tellers.includes(undefined)) {
    write(usage)
    return names.includes('--help') ? 0 : 2
  }
  const world = await World.create(await mkdtemp(join(tmpdir(), 'atoll-example-')))
  const narrator = createNarrator(write)
  let mesh: TwoClusters | undefined
  try {
    narrator.chapter('A mesh over two clusters on two networks')
    await TwoClusters.startPlane(world, narrator.command)
    mesh = await TwoClusters.join(world, narrator.command)
    for (const tell of tellers) await tell?.(mesh, narrator)
    write(narrator.failures.length === 0 ? '\nEvery check holds.' : `\n${narrator.failures.length} checks failed.`)
    return narrator.failures.length === 0 ? 0 : 1
  } catch (error) {
    write(`\nThe example could not go on: ${toErrorMessage(error)}`)
    return 1
  } finally {
    await (mesh ?? world).stop()
    await rm(world.directory, { recursive: true, force: true })
  }
}

process.exit(await main())
