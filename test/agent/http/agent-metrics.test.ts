import { expect, test } from 'vitest'
import { createAgentMetrics, type AgentMeasures } from '#agent/http/agent-metrics.ts'

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
