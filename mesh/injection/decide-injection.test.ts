import { describe, expect, it } from 'vitest'
import { decideInjection } from './decide-injection.ts'
import type { InjectionCase } from './decide-injection.ts'
import { toInjectorWebhooks } from './injector-webhooks.ts'
import type { InjectorWebhook } from './injector-webhooks.ts'
import type { Pod } from './pod.ts'

type Labels = Readonly<Record<string, string>>

const toPod = (labels: Labels, annotations: Labels = {}): Pod => ({
  metadata: { labels, annotations },
  spec: { containers: [{ name: 'app' }] },
})

const enabled = { 'istio-injection': 'enabled' }
const disabled = { 'istio-injection': 'disabled' }
const inject = { 'sidecar.istio.io/inject': 'true' }
const refuse = { 'sidecar.istio.io/inject': 'false' }
const unclear = { 'sidecar.istio.io/inject': 'please' }
const canary = { 'istio.io/rev': 'canary' }
const byDefault = { 'istio.io/rev': 'default' }
const none = {}

/** What a namespace and a pod are labelled with, a pod is annotated with, and which injectors inject it. */
const rows: readonly (readonly [namespace: Labels, pod: Labels, annotations: Labels, revisions: readonly string[]])[] =
  [
    [none, none, none, []],
    [enabled, none, none, ['default']],
    [enabled, inject, none, ['default']],
    [enabled, refuse, none, []],
    [enabled, unclear, none, ['default']],
    [enabled, none, refuse, []],
    [enabled, none, inject, ['default']],
    [enabled, inject, refuse, ['default']],
    [enabled, refuse, inject, []],
    [disabled, none, none, []],
    [disabled, inject, none, []],
    [disabled, canary, none, []],
    [{ 'istio-injection': 'yes' }, inject, none, []],
    [none, inject, none, ['default']],
    [none, none, inject, []],
    [none, refuse, none, []],
    [none, canary, none, ['canary']],
    [none, { ...canary, ...inject }, none, ['canary']],
    [none, { ...canary, ...refuse }, none, []],
    [none, byDefault, none, ['default']],
    [canary, none, none, ['canary']],
    [canary, inject, none, ['canary']],
    [canary, refuse, none, []],
    [canary, byDefault, none, ['canary']],
    [byDefault, none, none, ['default']],
    [{ ...enabled, ...canary }, none, none, ['default']],
    [{ ...disabled, ...canary }, none, none, []],
  ]

const revisions = ['default', 'canary']

describe('decideInjection', () => {
  it.each(rows)(
    'in a namespace with %j, a pod with labels %j and annotations %j: %j',
    (namespaceLabels, pod, annotations, expected) => {
      const decided = revisions.filter(
        (revision) =>
          decideInjection({ namespace: 'shop', namespaceLabels, pod: toPod(pod, annotations), revision }).inject,
      )
      expect(decided).toEqual(expected)
    },
  )

  const chosen: InjectionCase = { namespace: 'shop', pod: toPod(none), revision: 'default' }
  const status = { 'sidecar.istio.io/status': '{}' }
  const proxied = { containers: [{ name: 'app' }, { name: 'istio-proxy' }] }
  it.each<[string, Partial<InjectionCase>, boolean]>([
    ['a pod of a namespace that was chosen', {}, true],
    ['a pod on its node’s network', { pod: { spec: { containers: [], hostNetwork: true } } }, false],
    ['a system namespace', { namespace: 'kube-system', namespaceLabels: enabled }, false],
    ['our own namespace', { namespace: 'atoll-system', namespaceLabels: enabled }, false],
    ['an injected pod', { pod: { metadata: { annotations: status }, spec: proxied } }, false],
    ['a pod with a copied annotation', { pod: toPod(none, status) }, true],
  ])('%s', (_, part, expected) => {
    expect(decideInjection({ ...chosen, ...part }).inject).toBe(expected)
  })
})

/** Kubernetes' semantics of label selectors: "NotIn" takes what has no such label. */
const matches = ({ matchExpressions }: InjectorWebhook['namespaceSelector'], labels: Labels): boolean =>
  matchExpressions.every(({ key, operator, values = [] }) => {
    const value = labels[key]
    if (operator === 'Exists') return value !== undefined
    if (operator === 'DoesNotExist') return value === undefined
    return (operator === 'In') === (value !== undefined && values.includes(value))
  })

describe('toInjectorWebhooks', () => {
  it.each(rows)('brings what is injected once: %j %j %j', (namespaceLabels, labels, annotations, expected) => {
    const brought = (revision: string) =>
      toInjectorWebhooks(revision).filter(
        ({ namespaceSelector, objectSelector }) =>
          matches(namespaceSelector, { ...namespaceLabels, 'kubernetes.io/metadata.name': 'shop' }) &&
          matches(objectSelector, labels),
      ).length
    expect(Math.max(...revisions.map(brought))).toBeLessThanOrEqual(1)
    const injected = revisions.filter(
      (revision) =>
        brought(revision) === 1 &&
        decideInjection({ namespace: 'shop', pod: toPod(labels, annotations), revision }).inject,
    )
    expect(injected).toEqual(expected)
  })

  it('never asks the injector about namespaces that it needs to start', () => {
    const labels = { ...enabled, 'kubernetes.io/metadata.name': 'atoll-system' }
    expect(toInjectorWebhooks('default').filter(({ namespaceSelector }) => matches(namespaceSelector, labels))).toEqual(
      [],
    )
  })
})
