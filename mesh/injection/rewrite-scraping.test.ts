import { describe, expect, it } from 'vitest'
import { rewriteScraping } from './rewrite-scraping.ts'
import { parseScrapeTarget } from './scrape-target.ts'

const atProxy = {
  'prometheus.io/scrape': 'true',
  'prometheus.io/port': '15020',
  'prometheus.io/path': '/stats/prometheus',
}

const targetOf = (annotations: Readonly<Record<string, string>>) => {
  const rewritten = rewriteScraping(annotations).annotations
  expect(rewritten).toMatchObject(atProxy)
  return JSON.parse(rewritten['atoll.dev/scrape-target'] ?? '') as unknown
}

describe('rewriteScraping', () => {
  it('leads Prometheus to the proxy, which knows where the application answers', () => {
    const given = {
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': '8080',
      'prometheus.io/path': '/app/metrics?all=1',
      'prometheus.io/scheme': 'http',
      'example.org/note': 'kept',
    }
    expect(rewriteScraping(given)).toEqual({
      annotations: {
        ...atProxy,
        'prometheus.io/scheme': 'http',
        'example.org/note': 'kept',
        'atoll.dev/scrape-target': '{"port":8080,"path":"/app/metrics?all=1"}',
      },
      warnings: [],
    })
  })

  it.each<[string, Readonly<Record<string, string>>, object]>([
    ['the path that Prometheus has by itself', { 'prometheus.io/port': '8080' }, { port: 8080, path: '/metrics' }],
    ['an empty path', { 'prometheus.io/port': '1', 'prometheus.io/path': '' }, { port: 1, path: '/metrics' }],
    ['a path without a slash', { 'prometheus.io/port': '1', 'prometheus.io/path': 'm' }, { port: 1, path: '/m' }],
    ['a pod that does not say whether', { 'prometheus.io/port': '9' }, { port: 9, path: '/metrics' }],
  ])('understands %s', (_, annotations, target) => {
    expect(targetOf(annotations)).toEqual(target)
  })

  it('leaves no other spelling of an annotation that Prometheus would take for the same', () => {
    const given = { 'prometheus_io/port': '8080', 'prometheus.io_path': '/m', 'prometheus.io/scrape': 'yes' }
    const { annotations } = rewriteScraping(given)
    expect(annotations).toEqual({ ...atProxy, 'atoll.dev/scrape-target': '{"port":8080,"path":"/m"}' })
  })

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ['a parameter', { 'prometheus.io/param_format': 'prometheus' }, '/metrics?format=prometheus'],
    [
      'parameters, and a path with a query',
      { 'prometheus.io/param_b': 'x y&z', 'prometheus_io/param_a': 'ä\uD800', 'prometheus.io/path': '/m?all=1' },
      '/m?all=1&b=x%20y%26z&a=%C3%A4%EF%BF%BD',
    ],
  ])('asks with %s that Prometheus is to ask with, and leaves none to ask the proxy with', (_, given, path) => {
    const { annotations } = rewriteScraping({ 'prometheus.io/port': '8080', ...given })
    expect(annotations).toEqual({ ...atProxy, 'atoll.dev/scrape-target': JSON.stringify({ port: 8080, path }) })
  })

  it('says which port is asked where none is named', () => {
    const given = { 'prometheus.io/scrape': 'true' }
    expect(targetOf(given)).toEqual({ port: 80, path: '/metrics' })
    expect(rewriteScraping(given).warnings).toEqual([
      { path: ['metadata', 'annotations', 'prometheus.io/port'], message: expect.stringContaining('port 80') },
    ])
  })

  it.each<[string, Readonly<Record<string, string>>]>([
    ['there is nothing about scraping', { 'example.org/note': 'kept', 'prometheus.io/scheme': 'https' }],
    ['the pod is not to be scraped', { 'prometheus.io/scrape': 'false', 'prometheus.io/port': '8080' }],
  ])('changes nothing where %s', (_, annotations) => {
    expect(rewriteScraping(annotations)).toEqual({ annotations, warnings: [] })
  })

  it.each<[string, string]>([
    ['prometheus.io/scheme', 'HTTPS'],
    ['prometheus.io/port', 'http-metrics'],
    ['prometheus.io/port', '70000'],
    ['prometheus.io/port', '15020'],
    ['prometheus.io/port', '15000'],
    ['prometheus.io/path', '/a b'],
  ])('leaves a pod as it is, and says so, with %s: %s', (name, text) => {
    const annotations = { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '8080', [name]: text }
    expect(rewriteScraping(annotations)).toEqual({
      annotations,
      warnings: [{ path: ['metadata', 'annotations', name], message: expect.stringContaining('not scraped') }],
    })
  })
})

describe('parseScrapeTarget', () => {
  it.each([
    '',
    '[]',
    '{}',
    '{"port": 15020, "path": "/"}',
    '{"port": 80, "path": "metrics"}',
    '{"port": 0, "path": "/"}',
  ])('reads with care: %s', (text) => {
    expect(parseScrapeTarget(text).ok).toBe(false)
  })
})
