import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { unstable_readConfig } from 'wrangler'
import type { Unstable_Config } from 'wrangler'
import { buildWorkerConfig } from '#cli/plane/worker-config.ts'
import { requestLimits } from '#worker/middleware/request-limits.ts'

const order = { host: '', port: 0, state: '', keyEncryptionKey: 'k', setupTokenHash: 'h', generation: 'g' }

it('gives the worker the same surroundings on one machine as on Cloudflare', () => {
  const hosted: Unstable_Config = unstable_readConfig({ config: join(import.meta.dirname, '../../wrangler.toml') })
  const { compatibilityDate, env = {}, exports = {} } = buildWorkerConfig(order, '')
  const namesOf = (type: string) => Object.keys(env).filter((name) => env[name]?.type === type)
  const textOf = (name: string) => {
    const binding = env[name]
    return binding?.type === 'text' ? binding.value : undefined
  }
  expect(compatibilityDate).toBe(hosted.compatibility_date)
  expect(hosted.compatibility_flags).toEqual([])
  expect(namesOf('durable-object')).toEqual(hosted.durable_objects.bindings.map(({ name }) => name))
  expect(Object.keys(exports)).toEqual(hosted.migrations.flatMap((migration) => migration.new_sqlite_classes ?? []))
  expect(namesOf('d1')).toEqual(hosted.d1_databases.map(({ binding }) => binding))
  expect(namesOf('r2')).toEqual(hosted.r2_buckets.map(({ binding }) => binding))
  expect(
    Object.entries(env).flatMap(([name, binding]) =>
      binding?.type === 'rate-limit' ? [{ name, namespace_id: binding.namespace, simple: binding.simple }] : [],
    ),
  ).toEqual(hosted.ratelimits)
  const secrets = ['ATOLL_KEK', 'ATOLL_SETUP_TOKEN_HASH']
  const variables = namesOf('text').filter((name) => !secrets.includes(name))
  expect(Object.fromEntries(variables.map((name) => [name, textOf(name)]))).toEqual({
    ...hosted.vars,
    PLANE_GENERATION: order.generation,
    CLIENT_ADDRESS_HEADER: '',
  })
})

it('can give the worker all that it reads', async () => {
  const whole = { ...order, previousKeyEncryptionKey: 'p', kms: '{}' }
  const declared = await readFile(join(import.meta.dirname, '../../worker/env.ts'), 'utf8')
  const names = [...declared.matchAll(/readonly ([A-Z_]+)\??:/g)].map(([, name]) => name)
  expect(names).toContain('ATOLL_KEK_PREVIOUS')
  expect(new Set(Object.keys(buildWorkerConfig(whole, '').env ?? {}))).toEqual(new Set(names))
})

it('counts requests by the limits that answers tell of', () => {
  const { ratelimits }: Unstable_Config = unstable_readConfig({
    config: join(import.meta.dirname, '../../wrangler.toml'),
  })
  const limitOf = (binding: string) => ratelimits.find(({ name }) => name === binding)?.simple
  expect({
    token: limitOf('API_RATE_LIMIT'),
    org: limitOf('ORG_RATE_LIMIT'),
    address: limitOf('OPEN_RATE_LIMIT'),
  }).toEqual(Object.fromEntries(Object.entries(requestLimits).map(([name, limit]) => [name, { limit, period: 60 }])))
})
