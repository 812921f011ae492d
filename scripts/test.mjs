#!/usr/bin/env node
/**
 * Runs the test groups one after the other and ends with one line of counts.
 *
 *     npm test                      every group
 *     npm test -- pure worker       these groups
 *     npm test -- envoy -t retries  only tests whose name matches
 *
 * A group that cannot run here says why and counts as skipped; with CI=true that is a failure. So
 * is a group in which no test ran.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { envoyRemedy, findEnvoy } from './envoy-path.mjs'
import { findProgram } from './find-program.mjs'
import { findLabObstacle } from './lab-obstacle.mjs'
import { findPreviousReleaseObstacle } from './previous-release.mjs'
import { addCounts, countTests, formatCounts, noCounts } from './test-counts.mjs'

/**
 * @typedef {object} Group one or more projects of vitest.config.ts
 * @property {string} name
 * @property {string} [projects] of vitest.config.ts, when it is more than the one of its name
 * @property {() => string | undefined} [unavailable] why it cannot run here
 * @property {number} [timeoutMs] when it is not `groupTimeoutMs`
 */

/** @type {readonly Group[]} */
const groups = [
  { name: 'pure' },
  { name: 'worker' },
  { name: 'agent', unavailable: findOpensslObstacle },
  { name: 'cli', unavailable: findOpensslObstacle },
  { name: 'envoy', unavailable: () => findEnvoyObstacle() ?? findOpensslObstacle() },
  { name: 'skew', unavailable: () => findPreviousReleaseObstacle() ?? findEnvoyObstacle() },
  // The first time it builds Kubernetes.
  { name: 'lab', projects: 'lab*', unavailable: () => findLabObstacle(), timeoutMs: 60 * 60_000 },
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

/** It has the second word on certificates. @returns {string | undefined} */
function findOpensslObstacle() {
  return findProgram('openssl') === undefined ? 'openssl not found: apt-get install openssl' : undefined
}

/** @param {readonly Group[]} chosen */
async function runGroups(chosen) {
  let total = noCounts
  /** @type {string[]} */
  const remarks = []
  for (const group of chosen) {
    const { counts, remark } = await runGroup(group)
    total = addCounts(total, counts)
    remarks.push(`${group.name}: ${remark}`)
  }
  if (total.passed + total.failed === 0) {
    total = addCounts(total, { ...noCounts, failed: 1 })
    remarks.push('no test ran')
  }
  console.log(`\n${remarks.join('\n')}\n${formatCounts(total)}`)
  process.exitCode = total.failed === 0 ? 0 : 1
}

/** @param {Group} group */
async function runGroup(group) {
  const reason = group.unavailable?.()
  if (reason !== undefined) {
    return { counts: { ...noCounts, [isCi ? 'failed' : 'skipped']: 1 }, remark: `skipped: ${reason}` }
  }
  console.log(`\n── ${group.name}`)
  const startMs = Date.now()
  const scratch = mkdtempSync(join(tmpdir(), 'atoll-test-'))
  const reportFile = join(scratch, 'report.json')
  const ended = await runVitest(group, reportFile)
  const counts = countTests(readReport(reportFile), ended, { isFiltered: values.testNamePattern !== undefined, isCi })
  rmSync(scratch, { recursive: true, force: true })
  const seconds = ((Date.now() - startMs) / 1000).toFixed(1)
  return {
    counts,
    remark: `${formatCounts(counts)} in ${seconds} s${ended === 0 ? '' : ` (runner ended with ${ended})`}`,
  }
}

/**
 * @param {Group} group
 * @param {string} reportFile
 * @returns {Promise<number | string>} exit code, or the signal or error that ended it
 */
function runVitest({ name, projects = name, timeoutMs = groupTimeoutMs }, reportFile) {
  const filter = values.testNamePattern === undefined ? [] : ['--testNamePattern', values.testNamePattern]
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`]
  const runner = spawn(
    join(bin, 'node'),
    [join(bin, 'vitest'), 'run', '--project', projects, ...reporters, ...filter],
    {
      cwd: root,
      env: { ...process.env, PATH: bin + delimiter + process.env.PATH },
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: timeoutMs,
    },
  )
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
