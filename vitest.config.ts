import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

/**
 * Files that run in one process, one after the other, load what they have in common once: most of the time of small tests was that. So
 * a file leaves nothing in a module or in the process that another one could see.
 */
const shared = { isolate: false }
const lab = {
  globalSetup: ['test/lab/build-lab.ts', 'test/harness/build-programs.ts'],
  testTimeout: 180_000,
  hookTimeout: 180_000,
}
/** What counts failing requests under faults, and takes the time, has the machine to itself. */
const labAlone = ['test/lab/faults/faults.test.ts']

/** One project per group of `npm test`, two for the lab; see scripts/test.mjs. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...shared,
          name: 'pure',
          include: ['{mesh,xds,api,cli,agent,scripts}/**/*.test.ts'],
          testTimeout: 30_000,
        },
      },
      {
        plugins: [
          cloudflareTest(async () => ({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: {
                TEST_MIGRATIONS: await readD1Migrations('migrations'),
                // Secrets of these tests only: test/worker/support/test-plane.ts has the set-up token.
                ATOLL_KEK: 'dGVzdHMgaGF2ZSBubyBzZWNyZXRzIHRvIGtlZXAgISE=',
                ATOLL_SETUP_TOKEN_HASH: '6ac10b0eea66145ba477273bbcd97438f2dc0f2bfb95ff81c627ad49bd489f91',
              },
            },
          })),
        ],
        test: {
          ...shared,
          name: 'worker',
          include: ['test/worker/**/*.test.ts', 'worker/**/*.test.ts'],
          setupFiles: ['test/worker/start-afresh.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          ...shared,
          name: 'agent',
          include: ['test/agent/**/*.test.ts'],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          ...shared,
          name: 'cli',
          include: ['test/cli/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          ...shared,
          name: 'envoy',
          include: ['test/envoy/**/*.test.ts'],
          globalSetup: ['test/harness/build-programs.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          ...shared,
          name: 'skew',
          include: ['test/skew/**/*.test.ts'],
          globalSetup: ['test/harness/build-programs.ts', 'test/skew/build-previous-release.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          ...lab,
          name: 'lab',
          include: ['test/lab/**/*.test.ts'],
          exclude: labAlone,
          // Each file has a lab of its own, and no lab an address or a name of another's: they run side by side, and mostly wait.
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...lab,
          name: 'lab-alone',
          include: labAlone,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
