import { expect, test } from 'vitest'
import { createAgentMetrics, type AgentMeasures } from '#agent/http/agent-metrics.ts'
import { DurationHistogram } from '#agent/http/duration-histogram.ts'

test('one scrape is one measurement, as of now', async () => {
  let measurements = 0
  const metrics = createAgentMetrics((): AgentMeasures => {
    measurements += 1
    return {
      compiledRevision: measurements,
      proxies: 3,
      registrySynced: true,
      problems: 0,
      storeFailures: measurements,
      now: 10_000,
      gateways: [],
      registrySources: [
        { name: 'pods', heardAt: 7000 },
        { name: 'nodes', heardAt: 0 },
      ],
    }
  })
  const before = measurements
  const text = await metrics.metrics()
  expect(measurements).toBe(before + 1)
  expect(text).toMatch(/^atoll_agent_proxies 3$/m)
  for (const name of ['compiled_revision', 'store_failures_total'])
    expect(text).toMatch(new RegExp(`^atoll_agent_${name} ${measurements}$`, 'm'))
  expect(text.match(/^atoll_agent_registry_age_seconds.*$/gm)).toEqual([
    'atoll_agent_registry_age_seconds{resource="pods"} 3',
  ])
  expect(text).not.toMatch(/^atoll_agent_plane_data_age_seconds /m)
})

test('certificates are measured by the time that is left, those that are not there are not', async () => {
  const metrics = createAgentMetrics(() => ({
    compiledRevision: 0,
    proxies: 0,
    registrySynced: true,
    problems: 0,
    storeFailures: 0,
    now: 10_000,
    machineTokenNotAfter: 70_000,
    identity: {
      intermediate: { notAfter: 20_000, renewAt: 15_000, state: 'valid' },
      leaves: 0,
      earliestLeafNotAfter: null,
      serverNotAfter: 30_000,
      earliestIssuerNotAfter: 5000,
      earliestRootNotAfter: 90_000,
      trusted: [],
      untrusted: [],
      untrustedIssuers: [],
      withoutLeaf: [],
    },
  }))
  expect(await metrics.metrics()).toMatch(/^atoll_agent_machine_token_expiry_seconds 60$/m)
  expect((await metrics.metrics()).match(/(?<=^atoll_agent_certificate_expiry_seconds).*$/gm)).toEqual([
    '{certificate="root"} 80',
    '{certificate="intermediate"} 10',
    '{certificate="agent"} 20',
    '{certificate="issuer"} -5',
  ])
})

test('what the injector does is measured, its answers by outcome and by time', async () => {
  const durations = new DurationHistogram()
  for (const seconds of [0.004, 0.04, 60]) durations.record(seconds)
  const metrics = createAgentMetrics(() => ({
    compiledRevision: 0,
    proxies: 0,
    registrySynced: true,
    problems: 0,
    storeFailures: 0,
    now: 10_000,
    injector: {
      ready: true,
      certificateNotAfter: 70_000,
      reviews: { injected: 2, skipped: 1, refused: 0, failed: 0 },
      durations: durations.measure(),
      failures: { certificate: 0, publish: 4 },
    },
  }))
  const lines = (await metrics.metrics()).split('\n')
  for (const line of [
    'atoll_agent_injector_ready 1',
    'atoll_agent_injector_reviews_total{outcome="injected"} 2',
    'atoll_agent_injector_failures_total{step="publish"} 4',
    'atoll_agent_certificate_expiry_seconds{certificate="injector"} 60',
    'atoll_agent_injector_review_seconds_bucket{le="0.0025"} 0',
    'atoll_agent_injector_review_seconds_bucket{le="0.005"} 1',
    'atoll_agent_injector_review_seconds_bucket{le="0.05"} 2',
    'atoll_agent_injector_review_seconds_bucket{le="10"} 2',
    'atoll_agent_injector_review_seconds_bucket{le="+Inf"} 3',
    'atoll_agent_injector_review_seconds_count 3',
  ])
    expect(lines).toContain(line)
  expect(lines.find((line) => line.startsWith('atoll_agent_injector_review_seconds_sum'))).toMatch(/ 60\.044/)
})

test('proxies that lack what is compiled are counted, and what is held, by its kind', async () => {
  const metrics = createAgentMetrics(() => ({
    compiledRevision: 7,
    proxies: 5,
    registrySynced: true,
    problems: 0,
    storeFailures: 0,
    now: 10_000,
    delivery: {
      compiled: 7,
      proxies: 5,
      live: [
        { revision: 7, proxies: 3 },
        { revision: 6, proxies: 2 },
      ],
      laggards: [],
      nacks: [],
    },
  }))
  const text = await metrics.metrics()
  expect(text).toMatch(/^atoll_agent_proxies_behind 2$/m)
  expect(text).toMatch(/^atoll_agent_holds\{kind="mass-removal"\} 0$/m)
})
