import { expect, test } from 'vitest'
import { clusterName } from '#mesh/names.ts'
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
