import { expect, test } from 'vitest'
import { authorizationPolicy } from '#mesh/config/authorization-policy.ts'
import { trustDomain } from '#mesh/names.ts'
import { compileAccessRule } from './compile-access-rule.ts'

const compile = (rule: object) => {
  const [parsed] = authorizationPolicy.schema.parse({ rules: [rule] }).rules
  if (!parsed) throw new Error('no rule')
  return compileAccessRule(parsed, {
    namespace: 'shop',
    domains: { trustDomain: trustDomain.parse('td.example'), aliases: [] },
    of: 'requests',
    elsewhere: 'nothing',
  })
}

test('a rule grows as what is written does: what is asked of all of its sources is not said for each of them', () => {
  const many = (length: number, prefix: string): string[] => Array.from({ length }, (_, index) => `${prefix}${index}`)
  const rule = {
    from: many(512, 'n').map((name) => ({ source: { namespaces: [name] } })),
    to: many(512, '/').map((path) => ({ operation: { paths: [path] } })),
    when: [
      { key: 'request.headers[x-role]', values: many(1000, 'role') },
      { key: 'connection.sni', values: many(1000, 'host') },
    ],
  }
  expect(JSON.stringify(compile(rule)).length).toBeLessThan(10 * JSON.stringify(rule).length)
})
