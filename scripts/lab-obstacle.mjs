import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findEnvoy, envoyRemedy } from './envoy-path.mjs'
import { findProgram, isExecutable } from './find-program.mjs'

const goMinor = 26

/** What the lab calls of this machine, and the Debian package that has it. */
const machinePrograms = /** @type {const} */ ({
  ip: 'iproute2',
  nft: 'nftables',
  iptables: 'iptables',
  nsenter: 'util-linux',
  sysctl: 'procps',
  curl: 'curl',
  openssl: 'openssl',
})

/**
 * Why the Kubernetes lab cannot run on this machine, with the remedy; nothing when it can.
 *
 * @returns {string | undefined}
 */
export function findLabObstacle(env = process.env) {
  const root = rootObstacle()
  if (root !== undefined) return root
  if (!existsSync('/proc/self/ns/net')) return 'this kernel has no network namespaces'
  const missing = Object.entries(machinePrograms).filter(([program]) => findProgram(program, env) === undefined)
  if (missing.length > 0)
    return `${missing.map(([program]) => program).join(', ')} not found: apt-get install ${missing.map(([, packageName]) => packageName).join(' ')}`
  if (findEtcd(env) === undefined)
    return 'there is no etcd: apt-get install etcd-server, or set KUBEBUILDER_ASSETS to a folder that has it'
  if (findEnvoy(env) === undefined) return `there is no Envoy. ${envoyRemedy}`
  return findGoObstacle(env)
}

/** @returns {string | undefined} */
export function rootObstacle() {
  return process.getuid?.() === 0 ? undefined : 'it makes network namespaces and has to be root (sudo)'
}

/** @returns {string | undefined} */
export function findEtcd(env = process.env) {
  const asset = env.KUBEBUILDER_ASSETS && join(env.KUBEBUILDER_ASSETS, 'etcd')
  return asset && isExecutable(asset) ? asset : findProgram('etcd', env)
}

/** @param {NodeJS.ProcessEnv} env */
function findGoObstacle(env) {
  const { stdout } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8', env })
  const version = /^go1\.(\d+)/.exec(stdout ?? '')?.[1]
  if (version === undefined) return `there is no Go: 1.${goMinor} or later builds Kubernetes, see https://go.dev/dl`
  return Number(version) < goMinor ? `Go is ${stdout.trim()}, and 1.${goMinor} or later is needed` : undefined
}
