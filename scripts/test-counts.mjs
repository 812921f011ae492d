import { stripVTControlCharacters } from 'node:util'

/**
 * @typedef {{ passed: number, failed: number, skipped: number }} Counts
 * @typedef {{ status: string, fullName?: string, failureMessages?: string[] }} ReportedTest
 * @typedef {{ status: string, name?: string, message?: string, assertionResults: ReportedTest[] }} ReportedFile
 * @typedef {{ testResults: ReportedFile[] }} Report what vitest's JSON reporter writes
 */

/** @type {Counts} */
export const noCounts = { passed: 0, failed: 0, skipped: 0 }

/** @param {Counts} a @param {Counts} b @returns {Counts} */
export function addCounts(a, b) {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }
}

/** @param {Counts} counts @returns {string} `N passed, N failed`, and `, N skipped` when there are some */
export function formatCounts({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`
}

/**
 * Counts the tests of one group, so that nothing that went wrong looks like a success: a file that
 * could not be loaded, a runner that crashed and a group without a test are each one failure.
 *
 * @param {Report | undefined} report nothing when the runner wrote none
 * @param {number | string} ended the runner's exit code, or the signal or error that ended it
 * @param {{ isFiltered: boolean, isCi: boolean }} run tests that a filter leaves out are reported as
 *   skipped, and are not counted; in CI a skipped test is a failure
 * @returns {Counts}
 */
export function countTests(report, ended, { isFiltered, isCi }) {
  const files = report?.testResults ?? []
  const statuses = files.flatMap((file) => file.assertionResults.map(({ status }) => status))
  const unloaded = files.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed'),
  ).length
  const passed = statuses.filter((status) => status === 'passed').length
  const failed = statuses.filter((status) => status === 'failed').length + unloaded
  const skipped = isFiltered ? 0 : statuses.length + unloaded - passed - failed
  const ranNothing = passed + failed === 0 && !isFiltered
  if (failed === 0 && (ended !== 0 || report === undefined || ranNothing)) return { passed, failed: 1, skipped }
  return isCi ? { passed, failed: failed + skipped, skipped: 0 } : { passed, failed, skipped }
}

/**
 * One line per failed test and per file that could not be loaded: what a log that is cut off before its end still has to say.
 *
 * @param {Report | undefined} report
 * @param {string} root what paths of files are told from
 * @returns {string[]} file, name of the test, first line of what is wrong
 */
export function listFailures(report, root) {
  return (report?.testResults ?? []).flatMap((file) => {
    const where = file.name?.replace(`${root}/`, '') ?? 'a file'
    const failed = file.assertionResults.filter(({ status }) => status === 'failed')
    if (failed.length === 0 && file.status === 'failed') return [`${where}: ${firstLine(file.message)}`]
    return failed.map(
      ({ fullName = 'a test', failureMessages }) => `${where} > ${fullName}: ${firstLine(failureMessages?.[0])}`,
    )
  })
}

/** @param {string | undefined} text @returns {string} without what colours a terminal */
function firstLine(text = '') {
  return stripVTControlCharacters(text).trim().split('\n', 1)[0]?.slice(0, 300) ?? ''
}
