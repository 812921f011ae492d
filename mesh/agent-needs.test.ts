import { expect, test } from 'vitest'
import { findAgentNeeds } from './agent-needs.ts'
import { kinds } from './config/kind-table.ts'

/** Groups of kinds that the first version did not know. */
const newGroups = new Set(['policy.atoll.dev', 'security.istio.io', 'extensions.istio.io'])

test('of every kind that came later it is said what an agent has to know', () => {
  const later = kinds.filter(({ group }) => newGroups.has(group))
  expect(later.length).toBeGreaterThan(3)
  expect(later.filter(({ kind }) => findAgentNeeds({ kind, spec: {} }).length === 0).map(({ kind }) => kind)).toEqual(
    [],
  )
})
