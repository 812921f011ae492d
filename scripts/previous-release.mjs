/**
 * The release before this one, built from its commit: what the tests of `test/skew` let this version work with.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findEnvoy } from './envoy-path.mjs'

/**
 * Nothing has been published yet. This commit is the first at which the plane, the agent and the command line do in Kubernetes what they do on machines, and the last
 * of version 0.1.0. CONTRIBUTING.md says when it moves.
 */
export const previousRelease = { version: '0.1.0', commit: '4762116e0364410772282dd9d68249d518ab757b' }

const root = join(fileURLToPath(import.meta.url), '../..')
const releases = join(root, '.cache/releases')
const home = join(releases, `${previousRelease.version}-${previousRelease.commit.slice(0, 7)}`)
/** Present when the release's packages are others than this clone's. */
const ownPackages = join(home, 'node_modules')

/**
 * Why the previous release cannot be built here, with the remedy; nothing when it can.
 *
 * @returns {string | undefined}
 */
export function findPreviousReleaseObstacle() {
  const { version, commit } = previousRelease
  const what = `the previous release, ${version}, is built from commit ${commit.slice(0, 7)}`
  const { error, status } = spawnSync('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: root })
  if (error) return `${what}, and git cannot be run: ${error.message}`
  if (status === 0) return undefined
  return existsSync(join(root, '.git'))
    ? `${what}, which this clone does not have: git fetch --unshallow`
    : `${what}, and this is no clone: use git clone instead of an archive`
}

/**
 * The folder with what the previous release published (atoll.js, atoll-agent.js, worker.js, …). Built the first time, in seconds;
 * several processes may want it at once.
 *
 * @returns {string}
 * @throws {Error} when it cannot be built
 */
export function ensurePreviousRelease() {
  const obstacle = findPreviousReleaseObstacle()
  if (obstacle !== undefined) throw new Error(obstacle)
  if (existsSync(join(home, 'package.json')) && (existsSync(ownPackages) || hasOurPackages())) return home
  rmSync(home, { recursive: true, force: true })
  mkdirSync(releases, { recursive: true })
  const scratch = mkdtempSync(join(releases, 'building-'))
  try {
    build(scratch)
    install(join(scratch, 'dist'))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
  return home
}

/** @param {string} folder */
function build(folder) {
  const archive = join(folder, 'archive.tar')
  run('git', ['archive', '--output', archive, previousRelease.commit], root)
  run('tar', ['-xf', archive], folder)
  // It generates anew what was generated from other inputs than its own.
  if (existsSync(join(root, 'gen'))) cpSync(join(root, 'gen'), join(folder, 'gen'), { recursive: true })
  if (hasOurPackages()) symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  else run(process.execPath, ['scripts/setup.mjs'], folder)
  run(process.execPath, ['scripts/generate.mjs'], folder)
  run(process.execPath, ['scripts/build.mjs'], folder)
  if (!hasOurPackages()) renameSync(join(folder, 'node_modules'), join(folder, 'dist/node_modules'))
}

/** A folder is renamed as a whole: who comes second finds the same thing there. @param {string} built */
function install(built) {
  try {
    renameSync(built, home)
  } catch (error) {
    if (!existsSync(join(home, 'package.json'))) throw error
  }
}

/** Whether the release was made with the packages that are installed here. */
function hasOurPackages() {
  const { error, stdout } = spawnSync('git', ['show', `${previousRelease.commit}:package-lock.json`], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  })
  if (error) throw error
  return toPackages(stdout) === toPackages(readFileSync(join(root, 'package-lock.json'), 'utf8'))
}

/** @param {string} lockfile */
function toPackages(lockfile) {
  const { packages } = JSON.parse(lockfile)
  return JSON.stringify({ ...packages, '': undefined })
}

/** @param {string} command @param {readonly string[]} args @param {string} folder */
function run(command, args, folder) {
  const bin = join(root, 'node_modules/.bin')
  const envoy = findEnvoy()
  const { error, status, stderr } = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, PATH: bin + delimiter + process.env.PATH, ...(envoy && { ATOLL_ENVOY: envoy }) },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  if (error) throw new Error(`${command} cannot be run: ${error.message}`)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} in ${folder} ended with ${status}:\n${stderr}`)
}
