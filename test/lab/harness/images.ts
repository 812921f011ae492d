import { realpathSync } from 'node:fs'
import { proxyUser } from '#mesh/kubernetes/conventions.ts'
import { envoyPath } from '../../../scripts/envoy-path.mjs'
import { repository } from './paths.ts'

/** What an image name stands for in the lab: a program of this machine. */
export interface LabImage {
  readonly entrypoint: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Path in the container to a file or folder of this machine, mounted read-only. */
  readonly files?: Readonly<Record<string, string>>
  /** Numeric user and group, unless a security context says otherwise; root when absent. */
  readonly user?: string
}

const node = '/usr/local/bin/node'
const checkout = '/opt/atoll'

const nodeProgram = (script: string, args: readonly string[], user: number): LabImage => ({
  entrypoint: [node, `${checkout}/${script}`, ...args],
  files: { [node]: realpathSync(process.execPath), [checkout]: repository },
  user: String(user),
})

/** The images that every lab has; a tag or digest after the name is ignored. */
export const standardImages = (): Readonly<Record<string, LabImage>> => ({
  'atoll/agent': nodeProgram('agent/main.ts', [], 65_532),
  'atoll/proxy': {
    entrypoint: ['/usr/local/bin/envoy'],
    files: { '/usr/local/bin/envoy': realpathSync(envoyPath()) },
    user: String(proxyUser),
  },
  // Sets capture up: has iptables and nft.
  'atoll/init': { entrypoint: ['/bin/sh'] },
  // The echo application: APP is its name (else the pod's), PORT its port (8080).
  'lab/app': nodeProgram('test/lab/images/app.ts', [], 1000),
  // This machine's programs.
  'lab/host': { entrypoint: ['/bin/sh'] },
})
