import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { toAccessReference } from '../../scripts/reference/access-reference.ts'
import { toApiReference } from '../../scripts/reference/api-reference.ts'
import { toCliReference } from '../../scripts/reference/cli-reference.ts'
import { toKubernetesReference } from '../../scripts/reference/kubernetes-reference.ts'

const page = (name: string) => readFile(join(import.meta.dirname, '../../docs/reference', name), 'utf8')

/** `node scripts/reference.ts` brings them up to date. */
it('is what the code says', async () => {
  expect(await page('access.md')).toBe(toAccessReference())
  expect(await page('api.md')).toBe(toApiReference())
  expect(await page('cli.md')).toBe(await toCliReference())
  expect(await page('kubernetes.md')).toBe(toKubernetesReference())
})
