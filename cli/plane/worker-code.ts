import { readFile } from 'node:fs/promises'
import type { ProgramFiles } from '../program-files.ts'
import { workerBundle } from './worker-bundle.ts'

/** The worker as one module: the published bundle, or in a clone bundled from its sources (esbuild is loaded only then). */
export const loadWorkerCode = async ({ worker }: ProgramFiles): Promise<string> => {
  if (worker.bundled) return readFile(worker.path, 'utf8')
  const { build, stop } = await import('esbuild')
  const { outputFiles } = await build({ ...workerBundle, entryPoints: [worker.path], write: false })
  await stop()
  const [output] = outputFiles
  if (output === undefined) throw new Error(`${worker.path} gave no bundle`)
  return output.text
}
