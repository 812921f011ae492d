import { readFile } from 'node:fs/promises'
import type { ProgramFiles } from '../program-files.ts'

/** The worker as one module: the published bundle, or in a clone bundled from its sources (esbuild is loaded only then). */
export const loadWorkerCode = async ({ worker }: ProgramFiles): Promise<string> => {
  if (worker.bundled) return readFile(worker.path, 'utf8')
  const { build, stop } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: [worker.path],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    external: ['node:*', 'cloudflare:*'],
    logLevel: 'warning',
  })
  await stop()
  const [output] = outputFiles
  if (output === undefined) throw new Error(`${worker.path} gave no bundle`)
  return output.text
}
