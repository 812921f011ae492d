#!/usr/bin/env node
/**
 * Runs the test groups and ends with one line of counts. One group comes after the other, but for those that mostly wait: they have
 * company.
 *
 *     npm test                      every group
 *     npm test -- pure worker       these groups
 *     npm test -- envoy -t retries  only tests whose name matches
 *
 * A group that cannot run here says why and counts as skipped; with CI=true that is a failure. So
 * is a group in which no test ran.
 */
import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chromiumRemedy, findChromium } from './chromium-path.mjs'
import { envoyRemedy, findEnvoy } from './envoy-path.mjs'
import { findProgram } from './find-program.mjs'
import { findLabObstacle } from './lab-obstacle.mjs'
import { findPreviousReleaseObstacle } from './previous-release.mjs'
import { addCounts, countTests, formatCounts, listFailures, noCounts } from './test-counts.mjs'

/**
 * @typedef {object} Group one or more projects of vitest.config.ts
 * @property {string} name
 * @property {string} [projects] of vitest.config.ts, when it is more than the one of its name
 * @property {() => string | undefined} [unavailable] why it cannot run here
 * @property {number} [workers] files at a time, when it is not what vitest.config.ts says
 * @property {number} [timeoutMs] when it is not `groupTimeoutMs`
 * @property {string} [beside] a group that computes while this one waits; what this one prints comes when it has ended
 */

/** @type {readonly Group[]} */
const groups = [
  { name: 'pure' },
  { name: 'worker' },
  { name: 'agent', unavailable: findOpensslObstacle },
  { name: 'cli', workers: 3, unavailable: findOpensslObstacle },
  { name: 'browser', beside: 'worker', unavailable: findChromiumObstacle },
  { name: 'envoy', workers: 3, unavailable: () => findEnvoyObstacle() ?? findOpensslObstacle() },
  { name: 'skew', beside: 'cli', unavailable: () => findPreviousReleaseObstacle() ?? findEnvoyObstacle() },
  // The first time it builds Kubernetes.
  { name: 'lab', projects: 'lab*', workers: 3, unavailable: () => findLabObstacle(), timeoutMs: 60 * 60_000 },
]
const groupTimeoutMs = 15 * 60_000
const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const bin = join(root, 'node_modules/.bin')
const isCi = process.env.CI === 'true'

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { testNamePattern: { type: 'string', short: 't' } },
})
const unknown = positionals.filter((name) => !groups.some((group) => group.name === name))
if (unknown.length > 0) {
  console.error(`no such test group: ${unknown.join(', ')} (there are ${groups.map(({ name }) => name).join(', ')})`)
  process.exit(2)
}
await runGroups(groups.filter(({ name }) => positionals.length === 0 || positionals.includes(name)))

/** @returns {string | undefined} */
function findEnvoyObstacle() {
  return findEnvoy() === undefined ? `there is no Envoy. ${envoyRemedy}` : undefined
}

/** @returns {string | undefined} */
function findChromiumObstacle() {
  return findChromium() === undefined ? `there is no Chromium: ${chromiumRemedy}` : undefined
}

/** It has the second word on certificates. @returns {string | undefined} */
function findOpensslObstacle() {
  return findProgram('openssl') === undefined ? 'openssl not found: apt-get install openssl' : undefined
}

/** @param {readonly Group[]} chosen */
async function runGroups(chosen) {
  let total = noCounts
  /** @type {string[]} */
  const remarks = []
  /** @type {string[]} */
  const failures = []
  const hosts = chosen.filter(({ beside }) => !chosen.some(({ name }) => name === beside))
  for (const host of hosts) {
    const guests = chosen.filter(({ beside }) => beside === host.name)
    const together = [runGroup(host), ...guests.map((guest) => runGroup(guest, { isGuest: true }))]
    for (const { name, counts, remark, printed, failed } of await Promise.all(together)) {
      process.stdout.write(printed)
      total = addCounts(total, counts)
      failures.push(...failed)
      remarks.push(`${name}: ${remark}`)
    }
  }
  if (total.passed + total.failed === 0) {
    total = addCounts(total, { ...noCounts, failed: 1 })
    remarks.push('no test ran')
  }
  if (failures.length > 0) console.log(`\nfailed:\n${failures.map((failure) => `  ${failure}`).join('\n')}`)
  console.log(`\n${remarks.join('\n')}\n${formatCounts(total)}`)
  process.exitCode = total.failed === 0 ? 0 : 1
}

/** @param {Group} group @param {{ isGuest: boolean }} role what a guest prints is told when it has ended */
async function runGroup(group, { isGuest } = { isGuest: false }) {
  const { name } = group
  const reason = group.unavailable?.()
  if (reason !== undefined) {
    const counts = { ...noCounts, [isCi ? 'failed' : 'skipped']: 1 }
    return { name, counts, remark: `skipped: ${reason}`, printed: '', failed: [] }
  }
  const heading = `\n── ${name}\n`
  if (!isGuest) process.stdout.write(heading)
  const startMs = Date.now()
  const scratch = mkdtempSync(join(tmpdir(), 'atoll-test-'))
  const reportFile = join(scratch, 'report.json')
  const printedFile = join(scratch, 'printed')
  const ended = await runVitest(group, reportFile, isGuest ? openSync(printedFile, 'w') : 'inherit')
  const report = readReport(reportFile)
  const counts = countTests(report, ended, { isFiltered: values.testNamePattern !== undefined, isCi })
  const printed = isGuest ? heading + readFileSync(printedFile, 'utf8') : ''
  rmSync(scratch, { recursive: true, force: true })
  const seconds = ((Date.now() - startMs) / 1000).toFixed(1)
  const remark = `${formatCounts(counts)} in ${seconds} s${ended === 0 ? '' : ` (runner ended with ${ended})`}`
  return { name, counts, remark, printed, failed: listFailures(report, root) }
}

/**
 * @param {Group} group
 * @param {string} reportFile
 * @param {'inherit' | number} output a file's descriptor, which is closed here
 * @returns {Promise<number | string>} exit code, or the signal or error that ended it
 */
function runVitest({ name, projects = name, workers, timeoutMs = groupTimeoutMs }, reportFile, output) {
  const pool = workers === undefined ? [] : [`--maxWorkers=${workers}`]
  const filter = values.testNamePattern === undefined ? [] : ['--testNamePattern', values.testNamePattern]
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`]
  const runner = spawn(
    join(bin, 'node'),
    [join(bin, 'vitest'), 'run', '--project', projects, ...pool, ...reporters, ...filter],
    {
      cwd: root,
      env: { ...process.env, PATH: bin + delimiter + process.env.PATH },
      stdio: ['ignore', output, output],
      timeout: timeoutMs,
    },
  )
  if (output !== 'inherit') closeSync(output)
  return new Promise((resolve) => {
    runner.on('error', (error) => resolve(error.message))
    runner.on('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  })
}

/** @param {string} file @returns {import('./test-counts.mjs').Report | undefined} nothing when the runner crashed before it wrote one */
function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
