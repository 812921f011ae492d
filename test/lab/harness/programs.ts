import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '#test/harness/child.ts'
import { findEtcd } from '../../../scripts/lab-obstacle.mjs'
import { isExecutable } from '../../../scripts/find-program.mjs'
import { labCache, repository } from './paths.ts'

/** Paths of what a lab is made of. */
export interface LabPrograms {
  readonly etcd: string
  readonly kubeApiserver: string
  readonly kubeControllerManager: string
  readonly kubeProxy: string
  readonly kubectl: string
  readonly coredns: string
  readonly labnode: string
  readonly helm: string
}

/** A Go module of test/lab, and the commands that are built from it: name to package. */
interface GoModule {
  readonly folder: string
  readonly commands: Readonly<Record<string, string>>
  readonly linkerFlags?: string
}

const kubernetesVersion = /k8s\.io\/kubernetes v(?<version>(?<major>\d+)\.(?<minor>\d+)\S*)/

/** `kubectl version` and clients that look at the server's fail on a version that was not stamped. */
const stampVersion = async (): Promise<string> => {
  const found = kubernetesVersion.exec(await readFile(join(repository, 'test/lab/kubernetes/go.mod'), 'utf8'))?.groups
  const values = {
    gitVersion: `v${found?.['version']}`,
    gitMajor: found?.['major'],
    gitMinor: found?.['minor'],
    gitTreeState: 'clean',
    gitCommit: 'lab',
    buildDate: '2026-01-01T00:00:00Z',
  }
  return Object.entries(values)
    .map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`)
    .join(' ')
}

const kubernetesCommand = (name: string) => [name, `k8s.io/kubernetes/cmd/${name}`] as const

/** What `KUBEBUILDER_ASSETS` has of Kubernetes, as envtest has it. */
const assetNames = ['kube-apiserver', 'kubectl']

/**
 * Gives the lab's programs, building what is missing or older than its sources; `tell` hears what takes long.
 *
 * @throws {Error} with the compiler's output when a build fails
 */
export const preparePrograms = async (tell: (line: string) => void): Promise<LabPrograms> => {
  const assets = process.env['KUBEBUILDER_ASSETS']
  const asset = (name: string): string | undefined =>
    assets !== undefined && assetNames.includes(name) && isExecutable(join(assets, name))
      ? join(assets, name)
      : undefined
  const bin = join(labCache, 'bin')
  const built = ['kube-apiserver', 'kubectl', 'kube-controller-manager', 'kube-proxy'].filter((name) => !asset(name))
  const modules: GoModule[] = [
    { folder: 'labnode', commands: { labnode: '.' } },
    { folder: 'coredns', commands: { coredns: '.' } },
    { folder: 'helm', commands: { helm: 'helm.sh/helm/v3/cmd/helm' } },
    {
      folder: 'kubernetes',
      commands: Object.fromEntries(built.map(kubernetesCommand)),
      linkerFlags: await stampVersion(),
    },
  ]
  await mkdir(bin, { recursive: true })
  for (const module of modules) await buildModule(module, bin, tell)
  const path = (name: string): string => asset(name) ?? join(bin, name)
  const etcd = findEtcd()
  if (etcd === undefined) throw new Error('there is no etcd')
  return {
    etcd,
    kubeApiserver: path('kube-apiserver'),
    kubeControllerManager: path('kube-controller-manager'),
    kubeProxy: path('kube-proxy'),
    kubectl: path('kubectl'),
    coredns: path('coredns'),
    labnode: path('labnode'),
    helm: path('helm'),
  }
}

const buildModule = async (module: GoModule, bin: string, tell: (line: string) => void): Promise<void> => {
  const source = join(repository, 'test/lab', module.folder)
  const flags = `-s -w ${module.linkerFlags ?? ''}`
  const stamp = await hashSources(source, flags)
  for (const [name, goPackage] of Object.entries(module.commands)) {
    const stampFile = join(bin, `${name}.stamp`)
    if (isExecutable(join(bin, name)) && (await readFile(stampFile, 'utf8').catch(() => '')) === stamp) continue
    tell(`building ${name}`)
    const startMs = Date.now()
    // Not in place: the program may be running in another lab.
    const scratch = await mkdtemp(join(bin, '.build-'))
    try {
      await runGo(['build', '-trimpath', '-ldflags', flags, '-o', join(scratch, name), goPackage], source)
      await rename(join(scratch, name), join(bin, name))
      await writeFile(stampFile, stamp)
    } finally {
      await rm(scratch, { recursive: true, force: true })
    }
    tell(`built ${name} in ${((Date.now() - startMs) / 1000).toFixed(0)} s`)
  }
}

const hashSources = async (folder: string, flags: string): Promise<string> => {
  const hash = createHash('sha256').update(flags)
  const names = (await readdir(folder)).filter((name) => /\.go$|^go\.(mod|sum)$/.test(name)).toSorted()
  for (const name of names) hash.update(`${name}\n`).update(await readFile(join(folder, name)))
  return hash.digest('hex')
}

const runGo = async (args: readonly string[], cwd: string): Promise<void> => {
  const { code, output } = await run({ name: 'go', command: 'go', args, cwd })
  if (code !== 0) throw new Error(`go ${args.join(' ')} ended with ${code}:\n${output}`)
}
