import { expect, it } from 'vitest'
import { closedAs } from './parse-object.ts'
import { problemsOfSpec } from '#test/kinds/problems-of-spec.ts'
import { makeObject } from '#test/mesh/records.ts'
import { unknownModule, wasmPlugin } from './wasm-plugin.ts'

const problems = (spec: object) => problemsOfSpec('WasmPlugin', spec, {}, 'extensions.istio.io/v1alpha1')
const url = 'https://modules.example/plugin.wasm'
const image = 'oci://registry.example/team/plugin'
const digest = 'a'.repeat(64)
const selector = { matchLabels: { app: 'reviews' } }
const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'front' }

it.each<[string, object]>([
  ['a module', { url }],
  [
    'all that Istio has',
    {
      url: `${image}:v1@sha256:${digest}`,
      sha256: digest,
      selector,
      imagePullPolicy: 'Always',
      imagePullSecret: '',
      verificationKey: '',
      pluginConfig: { any: [{ thing: null }] },
      pluginName: 'root',
      phase: 'AUTHZ',
      priority: -1,
      failStrategy: 'FAIL_RELOAD',
      vmConfig: {
        env: [
          { name: 'A', value: '1' },
          { name: 'B', valueFrom: 'HOST' },
        ],
      },
      match: [{ mode: 'CLIENT_AND_SERVER', ports: [{ number: 80 }] }],
      type: 'NETWORK',
    },
  ],
  ['a Secret to sign in by', { url: image, imagePullSecret: 'pull' }],
  ['a target', { url, targetRefs: [gateway] }],
])('takes %s', (_, spec) => {
  expect(problems(spec)).toEqual([])
})

it.each<[object, string]>([
  [{}, 'invalid spec.url: is required'],
  [{ url: '' }, 'invalid spec.url: is required'],
  [
    { url: 'file:///opt/a.wasm' },
    'unsupported spec.url: is a file of a proxy, and a proxy has none of yours: publish it by https:// or oci://',
  ],
  [{ url, sha256: 'A'.repeat(64) }, 'invalid spec.sha256: must be 64 of 0-9 and a-f'],
  [
    { url: `${image}@sha256:${'b'.repeat(64)}`, sha256: digest },
    'invalid spec.sha256: is another digest than that of the url',
  ],
  [
    { url: image, imagePullSecret: 'bank/pull' },
    'invalid spec.imagePullSecret: must be the name of a Secret of this namespace',
  ],
  [
    { url, imagePullSecret: 'pull' },
    'warning spec.imagePullSecret: is for images alone: nobody signs in for what is at https:// or http://',
  ],
  [
    { url, verificationKey: 'key' },
    'unsupported spec.verificationKey: nobody verifies signatures of modules, nor does Istio: say the sha256',
  ],
  [{ url, phase: 'LATER' }, 'invalid spec.phase: must be one of UNSPECIFIED_PHASE, AUTHN, AUTHZ, STATS'],
  [{ url, pluginConfig: 'text' }, 'invalid spec.pluginConfig: must be an object, not a string'],
  [{ url, vmConfig: { env: [{ name: 'A' }, { name: 'A' }] } }, 'invalid spec.vmConfig.env[1].name: is there twice'],
  [
    { url, vmConfig: { env: [{ name: 'A', valueFrom: 'HOST', value: '1' }] } },
    'invalid spec.vmConfig.env[0].value: is for valueFrom INLINE',
  ],
  [{ url, match: [{ ports: [{ number: 0 }] }] }, 'invalid spec.match[0].ports[0].number: must be at least 1'],
  [{ url, selector, targetRefs: [gateway] }, 'invalid spec: takes one of selector, targetRef, targetRefs'],
  [
    { url, failStrategy: 'FAIL_OPEN', phase: 'AUTHN' },
    'warning spec.failStrategy: lets everybody past a plugin that cannot be had or fails',
  ],
  [
    { url: 'http://a.svc/x' },
    'warning spec.url: is not encrypted: say the sha256, or whoever is on the way chooses what proxies run',
  ],
])('refuses, or warns of, %j', (spec, expected) => {
  expect(problems(spec)).toEqual([expected])
})

it('is closed as it may fail, for those whom it is for', () => {
  const closed = (spec: object) =>
    closedAs(wasmPlugin, { ...makeObject('WasmPlugin', 'a', { ...spec }), apiVersion: 'extensions.istio.io/v1alpha1' })
      ?.spec
  expect(closed({ url, selector, phase: 1, type: 'NETWORK' })).toMatchObject({
    selector,
    url: unknownModule,
    failStrategy: 'FAIL_CLOSE',
    type: 'NETWORK',
  })
  expect(closed({ url, phase: 1, failStrategy: 'FAIL_OPEN' })).toMatchObject({ failStrategy: 'FAIL_OPEN' })
})
