import { describe, expect, it } from 'vitest'
import { forbiddenImport } from './lint-plugin.mjs'

describe('forbiddenImport', () => {
  it.each([
    ['mesh/view.ts', '#xds/type-url.ts'],
    ['mesh/config/sidecar.ts', '../../agent/main.ts'],
    ['mesh/view.ts', '#envoy/google/rpc/status_pb.ts'],
    ['xds/build-listener.ts', 'node:crypto'],
    ['xds/build-listener.ts', 'fs'],
    ['api/client.ts', 'cloudflare:workers'],
    ['agent/main.ts', '#api/client.ts'],
    ['agent/main.ts', '../cli/main.ts'],
    ['worker/main.ts', '../test/harness/world.ts'],
    ['console/main.ts', '#xds/type-url.ts'],
  ])('refuses %s importing %s', (importer, specifier) => {
    expect(forbiddenImport(importer, specifier)).toMatch(/may not import/)
  })

  it.each([
    ['mesh/view.ts', './names.ts'],
    ['mesh/view.ts', 'zod'],
    ['xds/build-listener.ts', '#envoy/envoy/config/listener/v3/listener_pb.ts'],
    ['agent/main.ts', 'node:fs'],
    ['worker/main.ts', 'cloudflare:workers'],
    ['cli/version.ts', '../package.json'],
    ['mesh/view.test.ts', '#agent/main.ts'],
    ['test/demo/main.ts', '#cli/main.ts'],
  ])('allows %s importing %s', (importer, specifier) => {
    expect(forbiddenImport(importer, specifier)).toBeUndefined()
  })
})
