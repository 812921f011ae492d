import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { kinds } from '#mesh/config/kind-table.ts'
import { meshConfigSchema } from '#mesh/config/mesh-config.ts'
import { renderSupport } from '#mesh/support/render-support.ts'

it('docs/support.md is what node scripts/support.ts writes', () => {
  expect(readFileSync(new URL('../../docs/support.md', import.meta.url), 'utf8')).toBe(
    renderSupport(kinds, meshConfigSchema),
  )
})

it('says of a field whether it is supported, refused or without effect', () => {
  const rendered = renderSupport(kinds, meshConfigSchema)
  expect(rendered).toContain('| `http[].timeout` | yes |')
  expect(rendered).toContain(
    '| `http[].fault.abort.http2Error` | refused: is not supported upstream either: use httpStatus |',
  )
  expect(rendered).toContain('| `subsets[].trafficPolicy` | as `trafficPolicy` |')
  expect(rendered).toContain('| `ipFamilies` | taken, without effect |')
  expect(rendered).toContain(
    '| `outboundTrafficPolicy.mode` | `ALLOW_ANY`, `REGISTRY_ONLY`; refused: `ALLOW_ANY_DYNAMIC_DNS` (',
  )
})
