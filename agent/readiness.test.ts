import { expect, test } from 'vitest'
import { clusterName } from '#mesh/names.ts'
import { newCounts } from './telemetry/outbox/batch.ts'
import { toReadiness, type AgentState } from './readiness.ts'

const now = Date.parse('2026-11-21T12:00:00Z')
const state: AgentState = {
  cluster: clusterName.parse('east'),
  replica: 'east-1',
  registry: { isSynced: true, asOf: undefined },
  problems: 0,
  serving: true,
  hasState: true,
  compiledRevision: 7,
  proxies: 3,
  identity: {
    intermediate: { notAfter: now + 1, renewAt: now, state: 'valid' },
    leaves: 3,
    earliestLeafNotAfter: now,
    serverNotAfter: now,
    earliestIssuerNotAfter: null,
    earliestRootNotAfter: now,
    trusted: [],
    untrusted: [],
    untrustedIssuers: [],
    withoutLeaf: [],
  },
  uplink: {
    live: true,
    phase: 'live',
    position: { epoch: 'e', sequence: 4 },
    revision: 7,
    asOf: now - 5000,
    reporting: true,
    holds: [],
    queued: 0,
    failures: 0,
    lastFailure: undefined,
    refusal: undefined,
  },
  telemetry: {
    counts: newCounts(),
    waiting: { logs: 0, metrics: 0, traces: 0 },
    spooled: { logs: 0, metrics: 0, traces: 0 },
    spoolBytes: 5,
    spoolLimitBytes: 100,
    isAway: true,
    failures: 2,
    lastFailure: 'the plane answered with 503',
    shedAt: now - 1000,
  },
}
const refused = (refusal: AgentState['uplink']['refusal']): AgentState => ({
  ...state,
  uplink: { ...state.uplink, live: false, phase: 'waiting', lastFailure: `refused: ${refusal}`, refusal },
})

test.each<[string, Partial<AgentState>, boolean]>([
  ['it serves', {}, true],
  ['it does not serve yet', { serving: false }, false],
  ['it has nothing to serve', { hasState: false }, false],
  ['the plane is away', refused(undefined), true],
  [
    'its intermediate has expired',
    { identity: { ...state.identity, intermediate: { ...state.identity.intermediate, state: 'expired' } } },
    false,
  ],
  ['it was evicted', refused('evicted'), true],
])('an agent is ready when its proxies get what they need: %s', (_what, varied, ready) => {
  expect(toReadiness({ ...state, ...varied }, now).ready).toBe(ready)
})

test('says whether telemetry is lost, of late', () => {
  const shedding = { away: true, spooledBytes: 5, shedding: true, lastFailure: 'the plane answered with 503' }
  expect(toReadiness(state, now)['telemetry']).toMatchObject(shedding)
  expect(toReadiness(state, now + 3_600_000)['telemetry']).toMatchObject({ shedding: false })
})

test('says that its cluster was evicted, and what to do', () => {
  const { plane } = toReadiness(refused('evicted'), now)
  expect(plane).toMatchObject({
    live: false,
    dataAgeSeconds: 5,
    lastFailure: 'refused: evicted',
    evicted: expect.stringContaining('"atoll cluster uninstall east --context CONTEXT --keep-in-mesh"') as string,
  })
  expect(toReadiness(refused('bad_signature'), now)['plane']).not.toHaveProperty('evicted')
  expect(toReadiness(state, now)['plane']).not.toHaveProperty('evicted')
})
