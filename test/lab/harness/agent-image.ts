import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { run } from '#test/harness/child.ts'
import { labCache, repository } from './paths.ts'

/** The files that deploy/agent.Dockerfile puts into the image, as they lie in it. */
const tree = join(labCache, 'agent-image')
const stampFile = join(labCache, 'agent-image.stamp')
const dockerfile = join(repository, 'deploy/agent.Dockerfile')

/** What the bundle is made of. */
const sources = ['agent', 'mesh', 'xds', 'gen/envoy-api', 'scripts/build.mjs', 'package-lock.json']

/**
 * Makes the file tree of the agent's image where its sources are newer: the bundle that is published, copied as the Dockerfile says.
 * So what the lab runs is what an image would. `tell` hears when it takes a while.
 */
export const prepareAgentImage = async (tell: (line: string) => void): Promise<void> => {
  const stamp = await hashSources()
  if ((await readFile(stampFile, 'utf8').catch(() => '')) === stamp) return
  tell("building the agent's image")
  const startMs = Date.now()
  await mkdir(labCache, { recursive: true })
  const scratch = await mkdtemp(join(labCache, '.agent-image-'))
  try {
    const context = join(scratch, 'context')
    await runBuild(join(context, 'dist'))
    for (const { from, to } of await readCopies())
      await copyInto(
        from.map((path) => join(context, path)),
        join(scratch, 'tree', to),
      )
    await rm(tree, { recursive: true, force: true })
    await rename(join(scratch, 'tree'), tree)
    await writeFile(stampFile, stamp)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  tell(`built the agent's image in ${((Date.now() - startMs) / 1000).toFixed(0)} s`)
}

/** The image's files in a folder of a lab's own: the next build does not take them from under the agents that run. */
export const unpackAgentImage = (folder: string): Promise<void> => cp(tree, folder, { recursive: true })

/** `COPY a b /to/`: Docker copies files under their names, and what a folder holds. */
const readCopies = async (): Promise<{ from: string[]; to: string }[]> =>
  (await readFile(dockerfile, 'utf8')).split('\n').flatMap((line) => {
    const [instruction, ...paths] = line.trim().split(/\s+/)
    const to = paths.pop()
    return instruction === 'COPY' && to !== undefined ? [{ from: paths, to }] : []
  })

const copyInto = async (from: readonly string[], to: string): Promise<void> => {
  for (const path of from) {
    const isFolder = (await stat(path)).isDirectory()
    const target = isFolder || !to.endsWith('/') ? to : join(to, basename(path))
    await mkdir(dirname(target), { recursive: true })
    await cp(path, target, { recursive: true })
  }
}

const hashSources = async (): Promise<string> => {
  const hash = createHash('sha256').update(await readFile(dockerfile))
  for (const source of sources)
    for (const path of await listFiles(join(repository, source))) {
      const { mtimeMs, size } = await stat(path)
      hash.update(`${path} ${mtimeMs} ${size}\n`)
    }
  return hash.digest('hex')
}

const listFiles = async (path: string): Promise<string[]> => {
  if (!(await stat(path)).isDirectory()) return [path]
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
}

const runBuild = async (folder: string): Promise<void> => {
  const script = join(repository, 'scripts/build.mjs')
  const { code, output } = await run({ name: 'build', command: process.execPath, args: [script, folder] })
  if (code !== 0) throw new Error(`scripts/build.mjs ended with ${code}:\n${output}`)
}
