import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'

/** Where Atoll's programs are: in a clone as sources, in what is published as bundles beside the command. */
export interface ProgramFiles {
  readonly version: string
  /** The agent's program. */
  readonly agent: string
  /** The control plane's worker: a source to be bundled, or the bundle. */
  readonly worker: { readonly path: string; readonly bundled: boolean }
  readonly migrations: string
  /** Folder of upstream's CustomResourceDefinitions. */
  readonly crds: string
  /** What people type to start a command of ours. */
  readonly run: (command: string) => string
}

export const findProgramFiles = (): ProgramFiles => {
  const root = packageRoot(import.meta.dirname)
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
  const migrations = join(root, 'migrations')
  const bundle = join(root, 'worker.js')
  if (existsSync(bundle)) {
    return {
      version,
      agent: join(root, 'atoll-agent.js'),
      worker: { path: bundle, bundled: true },
      migrations,
      crds: join(root, 'crds'),
      run: (command) => command,
    }
  }
  return {
    version,
    agent: join(root, 'agent/main.ts'),
    worker: { path: join(root, 'worker/main.ts'), bundled: false },
    migrations,
    crds: join(root, 'deploy/helm/atoll/crds'),
    run: (command) => `npx ${command}`,
  }
}

const packageRoot = (folder: string): string =>
  existsSync(join(folder, 'package.json')) ? folder : packageRoot(dirname(folder))
