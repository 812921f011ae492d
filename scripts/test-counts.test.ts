import { describe, expect, it } from 'vitest'
import { countTests, formatCounts, listFailures } from './test-counts.mjs'

const local = { isFiltered: false, isCi: false }
const file = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((test) => ({ status: test })),
})
const report = (...testResults: ReturnType<typeof file>[]) => ({ testResults })

describe('countTests', () => {
  it('counts what passed, failed and was skipped', () => {
    const mixed = report(file('passed', 'passed', 'passed', 'skipped'), file('failed', 'failed', 'passed'))
    expect(countTests(mixed, 1, local)).toEqual({ passed: 3, failed: 1, skipped: 1 })
  })

  it('counts a file that could not be loaded as a failure', () => {
    expect(countTests(report(file('failed'), file('passed', 'passed')), 1, local)).toEqual({
      passed: 1,
      failed: 1,
      skipped: 0,
    })
  })

  it.each([
    ['wrote no report', undefined, 0],
    ['was killed', undefined, 'SIGKILL'],
    ['failed outside its tests', report(file('passed', 'passed')), 1],
    ['ran no test', report(), 0],
    ['skipped every test', report(file('skipped', 'skipped')), 0],
  ])('counts a runner that %s as a failure', (_, written, ended) => {
    expect(countTests(written, ended, local).failed).toBe(1)
  })

  it('counts a skipped test as a failure in CI', () => {
    const counts = countTests(report(file('passed', 'passed', 'skipped')), 0, { isFiltered: false, isCi: true })
    expect(counts).toEqual({ passed: 1, failed: 1, skipped: 0 })
  })

  it('does not count what a filter left out', () => {
    const filtered = { isFiltered: true, isCi: true }
    expect(countTests(report(file('passed', 'passed', 'skipped')), 0, filtered)).toEqual({
      passed: 1,
      failed: 0,
      skipped: 0,
    })
    expect(countTests(report(file('skipped', 'skipped')), 0, filtered)).toEqual({ passed: 0, failed: 0, skipped: 0 })
  })
})

describe('formatCounts', () => {
  it('names what was skipped only when something was', () => {
    expect(formatCounts({ passed: 2, failed: 0, skipped: 0 })).toBe('2 passed, 0 failed')
    expect(formatCounts({ passed: 2, failed: 1, skipped: 3 })).toBe('2 passed, 1 failed, 3 skipped')
  })
})

describe('listFailures', () => {
  it('names each test that failed and each file that could not be loaded, with the first line of why, without colours', () => {
    const written = {
      testResults: [
        {
          name: '/clone/test/a.test.ts',
          status: 'failed',
          assertionResults: [
            { status: 'passed', fullName: 'counts' },
            {
              status: 'failed',
              fullName: 'routes a request',
              failureMessages: ['\u001b[31mError: 503\u001b[39m\n  at a.test.ts'],
            },
          ],
        },
        { name: '/clone/test/b.test.ts', status: 'failed', message: 'no such import', assertionResults: [] },
        { name: '/clone/test/c.test.ts', status: 'passed', assertionResults: [{ status: 'passed' }] },
      ],
    }
    expect(listFailures(written, '/clone')).toEqual([
      'test/a.test.ts > routes a request: Error: 503',
      'test/b.test.ts: no such import',
    ])
    expect(listFailures(undefined, '/clone')).toEqual([])
  })
})
