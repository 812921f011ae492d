import fc from 'fast-check'
import { makeObject } from '#test/mesh/records.ts'

/** AuthorizationPolicies that select all, some or none of the workloads of a property's small world. */
export const anyAuthorization = fc
  .record({
    name: fc.constantFrom('a', 'b'),
    namespace: fc.constantFrom('default', 'other', 'atoll-system'),
    selector: fc.constantFrom<Record<string, string>>({}, { v: '1' }, { v: '2' }),
    action: fc.constantFrom('ALLOW', 'DENY', 'AUDIT'),
    rule: fc.constantFrom(
      {},
      { from: [{ source: { principals: ['cluster.local/ns/other/sa/one'] } }] },
      { to: [{ operation: { paths: ['/a'] } }] },
      { when: [{ key: 'connection.sni', values: ['*'] }] },
    ),
  })
  .map(({ name, namespace, selector, action, rule }) =>
    makeObject(
      'AuthorizationPolicy',
      name,
      { action, selector: { matchLabels: selector }, rules: [rule] },
      { namespace },
    ),
  )
