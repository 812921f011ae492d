import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { auditedWrites } from '#test/worker/support/audited-writes.ts'
import { apiRoutes, buildOpenApiDocument } from './openapi.ts'
import { problemDetails, problemTypes } from './problem-details.ts'

const routesFolder = fileURLToPath(new URL('routes', import.meta.url))

describe('the contract', () => {
  it('has every route that is declared', async () => {
    const declared: unknown[] = []
    for (const file of readdirSync(routesFolder)) {
      const module = (await import(join(routesFolder, file))) as Record<string, unknown>
      declared.push(...Object.values(module).filter((value) => value instanceof Object && 'operationId' in value))
    }
    expect(new Set(apiRoutes)).toEqual(new Set(declared))
    expect(apiRoutes).toHaveLength(declared.length)
  })

  it('names every operation once', () => {
    const ids = apiRoutes.map((route) => route.operationId)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('knows which event each write leaves in the audit log', () => {
    const operations = apiRoutes.filter(({ method }) => method !== 'get').map(({ operationId }) => operationId)
    expect(new Set(Object.keys(auditedWrites))).toEqual(new Set(operations))
  })

  const isOtlp = (route: (typeof apiRoutes)[number]) => route.operationId === 'exportTelemetry'
  /** What asks for nothing by which it could refuse who asks. */
  const open = ['getHealth', 'uplink', 'beginSignIn', 'beginSession']
  const writes = apiRoutes.filter((route) => route.method !== 'get' && route.operationId !== 'join' && !isOtlp(route))

  it.each(writes.map((route) => [route.operationId, route]))('%s takes an Idempotency-Key', (_, route) => {
    expect(route).toHaveProperty(['request', 'headers', 'shape', 'Idempotency-Key'])
  })

  it.each(apiRoutes.map((route) => [route.operationId, route] as const))(
    '%s says how it refuses',
    (operation, route) => {
      // What a query of Prometheus' language is refused with is in the words of Prometheus.
      const isQuery = route.tags?.includes('prometheus') === true
      const refusals = Object.entries(route.responses).filter(
        ([status]) => Number(status) >= 400 && !(isQuery && status === '422'),
      )
      for (const [, response] of isOtlp(route) ? [] : refusals)
        expect(response).toHaveProperty('content', { 'application/problem+json': { schema: problemDetails } })
      expect('security' in route).toBe(
        ![...open, 'setup', 'join', 'endSignIn', 'redeemSignIn', 'beginDeviceSignIn', 'redeemDeviceSignIn'].includes(
          operation ?? '',
        ),
      )
      expect('401' in route.responses).toBe(!open.includes(operation ?? ''))
    },
  )

  it('is an OpenAPI 3.1 document in which every reference resolves', () => {
    const document = buildOpenApiDocument('1.2.3')
    expect(document.openapi).toBe('3.1.0')
    expect(document.info.version).toBe('1.2.3')
    const schemas = Object.keys(document.components?.schemas ?? {})
    const references = [...JSON.stringify(document).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(
      (match) => match[1],
    )
    expect(references.length).toBeGreaterThan(20)
    for (const name of references) expect(schemas).toContain(name)
  })

  it('leaves room in answers for the words of newer planes', () => {
    const document = buildOpenApiDocument('0')
    const closed: string[] = []
    let open = 0
    const walk = (schema: unknown, path: string): void => {
      if (typeof schema !== 'object' || schema === null) return
      if ('$ref' in schema) {
        const name = String(schema.$ref).split('/').at(-1) ?? ''
        if (!path.includes(name)) walk(document.components?.schemas?.[name], `${path}/${name}`)
      } else if ('enum' in schema || 'const' in schema) closed.push(path)
      else if ('anyOf' in schema && Array.isArray(schema.anyOf) && schema.anyOf.some(isAnyString)) open += 1
      else for (const [key, value] of Object.entries(schema)) walk(value, `${path}/${key}`)
    }
    for (const route of apiRoutes) {
      const operation = document.paths?.[route.path]?.[route.method as 'get']
      for (const [status, response] of Object.entries(operation?.responses ?? {}))
        if (Number(status) < 300) walk(response, `${route.operationId} ${status}`)
    }
    expect(closed).toEqual([])
    expect(open).toBeGreaterThan(10)
  })

  it('uses every problem code in some route', () => {
    const text = JSON.stringify(buildOpenApiDocument('0').paths)
    for (const code of Object.keys(problemTypes)) expect(text).toContain(`\`${code}\``)
  })
})

const isAnyString = (schema: unknown): boolean =>
  typeof schema === 'object' && schema !== null && Object.entries(schema).join() === 'type,string'
