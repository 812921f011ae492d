import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { World } from '#test/harness/world.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { createNarrator } from './narrator.ts'
import { tellStory } from './story.ts'
import type { TwoClusters } from '#test/harness/two-clusters.ts'

const usage = `npm run demo [-- --once]

One mesh over two clusters on this machine's loopback addresses, with real Envoys; needs no root.
  --once   run the story through, check every step, leave nothing behind; exit code 0 or 1
  --keep   leave the folder with all files and logs behind
`

const write = (line: string): void => void process.stdout.write(`${line}\n`)

/** Live counts until Ctrl-C. */
const watch = async (story: TwoClusters, stopped: Promise<unknown>): Promise<void> => {
  const { world } = story
  const { secret } = await world.atollJson<{ secret: string }>(['token', 'create', '--role', 'viewer'])
  write(`
The mesh stays up until Ctrl-C. Look around, in another terminal:
   export XDG_CONFIG_HOME=${join(world.directory, 'config')} ATOLL_MESH=${world.mesh}
   npx atoll proxies
   npx atoll services
   npx atoll proxy config sidecar/default/frontend
   npx atoll top && npx atoll graph
   npx atoll trace --service reviews --limit 5 && npx atoll logs -f --destination reviews --reporter destination
   npx atoll why east/default/frontend http://reviews.default:9080/
   curl -x ${story.frontend.address}:15007 http://reviews.default:9080/
   curl -H 'authorization: Bearer ${secret}' ${world.url}/v1/meshes
   The API is described at ${world.url}/openapi.json
`)
  let over = false
  void stopped.then(() => (over = true))
  let total = 0
  while (!over) {
    const seen = await story.requests(50)
    total += 50
    const counts = [...seen.byApp].sort(([a], [b]) => (a < b ? -1 : 1)).map(([app, count]) => `${app} ${count * 2} %`)
    const line = `   ${total} requests; of the last 50: ${counts.join(', ')}, failed ${seen.failed}`
    if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${line}`)
    else write(line)
    await Promise.race([stopped, new Promise((resolve) => setTimeout(resolve, 1000))])
  }
  write('')
}

const main = async (): Promise<number> => {
  const args = new Set(process.argv.slice(2))
  if (args.has('--help')) {
    write(usage)
    return 0
  }
  const world = await World.create(await mkdtemp(join(tmpdir(), 'atoll-demo-')))
  const stopped = new Promise<number>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(130))
  })
  let silent = false
  void stopped.then(() => (silent = true))
  const narrator = createNarrator((line) => silent || write(line))
  let told = false
  const tell = async (): Promise<number> => {
    const story = await tellStory(world, narrator)
    told = true
    if (!args.has('--once')) await watch(story, stopped)
    return narrator.failures.length === 0 ? 0 : 1
  }
  try {
    const code = await Promise.race([tell(), stopped])
    if (narrator.failures.length > 0)
      write(`\n${narrator.failures.length} checks failed:\n  ${narrator.failures.join('\n  ')}`)
    else write(told ? '\nEvery check holds.' : '\nStopped before the end.')
    return code
  } catch (error) {
    write(`\nThe demo could not go on: ${toErrorMessage(error)}`)
    return 1
  } finally {
    await world.stop()
    if (args.has('--keep')) write(`Files are in ${world.directory}`)
    else await rm(world.directory, { recursive: true, force: true })
  }
}

process.exit(await main())
