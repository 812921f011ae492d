import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { loadWorkerCode } from '#cli/plane/worker-code.ts'
import { findProgramFiles } from '#cli/program-files.ts'

test('the worker is smaller than half of what the platform takes of a free account', async () => {
  const code = await loadWorkerCode(findProgramFiles())
  expect(gzipSync(code).length).toBeLessThan(1.5 * 1024 * 1024)
})
