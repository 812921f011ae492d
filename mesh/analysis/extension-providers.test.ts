import { expect, it } from 'vitest'
import { readMeshConfig } from '#mesh/config/mesh-config.ts'
import { makeObject } from '#test/mesh/records.ts'
import { toAnalyzedObjects } from './analyzed-objects.ts'
import { toMeshDefaults } from './known-mesh.ts'
import { findProviderProblems } from './extension-providers.ts'

const extensionProviders = [{ name: 'zipkin', zipkin: { service: 'zipkin', port: 9411 } }]
const named = [{ providers: [{ name: 'Atoll' }, { name: 'ZIPKIN' }, { name: 'envoy' }, { name: 'nobody' }] }]
const objects = toAnalyzedObjects([
  makeObject('Telemetry', 'a', {
    tracing: named,
    accessLogging: named,
    metrics: [{ providers: [{ name: 'prometheus' }] }],
  }),
])
const known = { domainSuffix: 'cluster.local', hasHost: () => true }

it('finds providers that the mesh has not, or not for what they are named for', () => {
  const defaults = toMeshDefaults(readMeshConfig({ extensionProviders }))
  expect(
    findProviderProblems(objects, { ...known, defaults }).map(({ path, message }) => `${path}: ${message}`),
  ).toEqual([
    'spec.tracing[0].providers[2].name: the extension provider "envoy" takes no traces',
    'spec.tracing[0].providers[3].name: there is no extension provider "nobody": define it in the mesh\'s extensionProviders',
    'spec.accessLogging[0].providers[1].name: the extension provider "ZIPKIN" takes no access logs',
    'spec.accessLogging[0].providers[3].name: there is no extension provider "nobody": define it in the mesh\'s extensionProviders',
  ])
  expect(findProviderProblems(objects, known)).toEqual([])
})

it('finds providers that nobody can ask who may call', () => {
  const apiVersion = 'security.istio.io/v1'
  const authz = { name: 'authz', envoyExtAuthzGrpc: { service: 'authz.example', port: 90 } }
  const defaults = toMeshDefaults(readMeshConfig({ extensionProviders: [...extensionProviders, authz] }))
  const policies = ['AUTHZ', 'zipkin', 'nobody', 'atoll', 'stackdriver'].map((name) => ({
    ...makeObject('AuthorizationPolicy', name, { action: 'CUSTOM', provider: { name }, rules: [{}] }),
    apiVersion,
  }))
  const found = findProviderProblems(toAnalyzedObjects(policies), { ...known, defaults })
  expect(found.map(({ object, path, message }) => `${object?.name} ${path}: ${message}`)).toEqual([
    'zipkin spec.provider.name: the extension provider "zipkin" is none that is asked who may call: envoyExtAuthzHttp and envoyExtAuthzGrpc are. What the rules match is denied',
    'nobody spec.provider.name: there is no extension provider "nobody": define it in the mesh\'s extensionProviders. What the rules match is denied',
    'atoll spec.provider.name: there is no extension provider "atoll": define it in the mesh\'s extensionProviders. What the rules match is denied',
    'stackdriver spec.provider.name: the extension provider "stackdriver" is none that is asked who may call: envoyExtAuthzHttp and envoyExtAuthzGrpc are. What the rules match is denied',
  ])
})

it('refuses extensions that a namespace may not have its proxies run', () => {
  const code = 'x = 1'
  const scripts = [
    { name: 'ours', lua: { namespaces: ['default'], code } },
    { name: 'all', lua: { namespaces: ['*'], code } },
    { name: 'theirs', lua: { namespaces: ['bank'], code } },
    { name: 'nobodys', lua: { code } },
  ]
  const defaults = toMeshDefaults(readMeshConfig({ extensionProviders: [...extensionProviders, ...scripts] }))
  const naming = ['OURS', 'all', 'theirs', 'nobodys', 'zipkin', 'missing'].map((name) => ({
    ...makeObject('ProxyExtension', name, { provider: { name } }),
    apiVersion: 'policy.atoll.dev/v1alpha1',
  }))
  const found = findProviderProblems(toAnalyzedObjects(naming), { ...known, defaults })
  expect(found.map(({ object, severity, code: fault }) => `${severity} ${fault} ${object?.name}`)).toEqual([
    'error forbidden theirs',
    'error forbidden nobodys',
    'warning dangling_reference zipkin',
    'warning dangling_reference missing',
  ])
})
