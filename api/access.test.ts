import { describe, expect, it } from 'vitest'
import { findBarrier, isWithin, routeAccess } from './access.ts'
import { namedRoutes } from './openapi.ts'
import { tokenRole } from './schemas/tokens.ts'
import type { Token, TokenScopes } from './schemas/tokens.ts'

const power = (role: Token['role'], parts: Record<string, string> = {}) => ({
  role,
  scopes: parts as TokenScopes,
})

describe('the table of who may do what', () => {
  it('leaves open what has no token, and nothing else', () => {
    for (const [name, { security }] of namedRoutes)
      expect([name, routeAccess[name as keyof typeof routeAccess] === 'open']).toEqual([name, security === undefined])
  })

  it('gives an owner all but the sending of telemetry at the least, and each role what the one below it has', () => {
    const ladder = ['owner', 'admin', 'editor', 'viewer'] as const
    for (const [name, access] of Object.entries(routeAccess)) {
      if (access === 'open') continue
      expect([name, access.roles.includes('owner')]).toEqual([name, true])
      const may = ladder.map((role) => access.roles.some((each) => each === role))
      expect([name, may]).toEqual([name, may.toSorted((a, b) => Number(b) - Number(a))])
    }
  })

  it('has reads for viewers and writes for nobody below an editor', () => {
    for (const [name, { method, path }] of namedRoutes) {
      const access = routeAccess[name as keyof typeof routeAccess]
      if (access === 'open' || ['exportTelemetry', 'revokeToken', 'endSession', 'getKeyEncryption'].includes(name))
        continue
      const isRead = method === 'get' || path.includes('/prometheus/')
      expect([name, access.roles.some((role) => role === 'viewer')]).toEqual([name, isRead])
    }
  })
})

describe('a barrier', () => {
  it('is what is in no table, and a role that is not known', () => {
    expect(findBarrier(undefined, power('owner'))).toBe('nobody may do this')
    const unknown = { role: 'auditor', scopes: {} } as unknown as Pick<Token, 'role' | 'scopes'>
    expect(findBarrier(routeAccess.listMeshes, unknown)).toContain('auditor')
  })

  it('says what the token is confined to', () => {
    const token = power('viewer', { mesh: 'shop', namespace: 'team' })
    expect(findBarrier(routeAccess.getTrust, token)).toBe('the token is confined to the namespace team')
    expect(findBarrier(routeAccess.listConfiguration, token)).toBeUndefined()
  })
})

describe('power', () => {
  it.each([
    ['owner', tokenRole.options],
    ['admin', ['admin', 'editor', 'viewer', 'telemetry']],
    ['editor', []],
    ['viewer', []],
    ['telemetry', []],
  ] as const)('of an %s can be given as %j', (giver, given) => {
    expect(tokenRole.options.filter((role) => isWithin(power(role), power(giver)))).toEqual(given)
  })

  it('stays within the scopes of who gives it', () => {
    const giver = power('admin', { mesh: 'shop', cluster: 'east' })
    for (const parts of [{}, { mesh: 'shop' }, { mesh: 'bank', cluster: 'east' }, { mesh: 'shop', cluster: 'west' }])
      expect([parts, isWithin(power('viewer', parts), giver)]).toEqual([parts, false])
    for (const parts of [
      { mesh: 'shop', cluster: 'east' },
      { mesh: 'shop', cluster: 'east', namespace: 'team' },
    ])
      expect([parts, isWithin(power('viewer', parts), giver)]).toEqual([parts, true])
  })
})
