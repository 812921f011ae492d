import { expect, it } from 'vitest'
import { readMeshConfig } from '#mesh/config/mesh-config.ts'
import { compileDefaultRetries } from './compile-retries.ts'

const byDefault = (defaultHttpRetryPolicy?: unknown, isHashed = false) =>
  compileDefaultRetries(readMeshConfig({ defaultHttpRetryPolicy }), isHashed)

it("retries as Istio does where the mesh's settings say nothing", () => {
  expect(byDefault()).toMatchObject({ attempts: 2, onOtherHosts: true })
  expect(byDefault().on).toContain('connect-failure')
  expect(byDefault(undefined, true)).toMatchObject({ attempts: 2, onOtherHosts: false })
})
it.each([
  [{ attempts: 0 }, { attempts: 0 }],
  [
    { attempts: 5, retryOn: '503,reset', perTryTimeout: '1s' },
    { attempts: 5, on: ['reset', 'retriable-status-codes'], onStatusCodes: [503], onUndelivered: false },
  ],
  [{ retryIgnorePreviousHosts: false }, { attempts: 2, onOtherHosts: false }],
])("retries as the mesh's settings say: %j", (policy, expected) => {
  const retries = byDefault(policy)
  expect(retries).toMatchObject(expected)
  // Istio: "All settings in the retry policy except perTryTimeout can currently be configured globally".
  expect(retries.perTryTimeoutMs).toBeUndefined()
})
