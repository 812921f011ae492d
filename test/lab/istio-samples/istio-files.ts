import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '#test/harness/child.ts'
import { toNetworkingYaml, type NetworkingSample } from './own-networking.ts'
import { ownPlatform, toHelloworldYaml, type PlatformSample } from './own-platform.ts'

/** A clone of istio/istio that has the release. Without one the samples are ours, which say the same. */
export const istioClone = process.env['ISTIO']

/** Release 1.30.3. A commit is a hash of all of its files: what Git gives of it is unchanged. */
const release = '56df41f63e513f834c9a3af33d8aed82d1d961f2'

const readIstio = async (clone: string, path: string): Promise<string> => {
  const { code, stdout, output } = await run({
    name: 'git',
    command: 'git',
    args: ['-C', clone, 'show', `${release}:samples/${path}`],
  })
  if (code !== 0) throw new Error(`${path} is not in ${clone}: ${output}`)
  return stdout
}

export const readNetworking = async (name: NetworkingSample): Promise<string> =>
  istioClone === undefined ? toNetworkingYaml(name) : readIstio(istioClone, `bookinfo/networking/${name}.yaml`)

export const readPlatform = async (path: PlatformSample): Promise<string> =>
  istioClone === undefined ? ownPlatform[path]() : readIstio(istioClone, `${path}.yaml`)

/** What Istio's script makes for a version. */
export const readHelloworld = async (version: string): Promise<string> => {
  if (istioClone === undefined) return toHelloworldYaml(version)
  const folder = await mkdtemp(join(tmpdir(), 'atoll-helloworld-'))
  try {
    const script = join(folder, 'gen-helloworld.sh')
    await writeFile(script, await readIstio(istioClone, 'helloworld/gen-helloworld.sh'))
    const { code, stdout, output } = await run({ name: 'bash', command: 'bash', args: [script, '--version', version] })
    if (code !== 0) throw new Error(output)
    return stdout
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
