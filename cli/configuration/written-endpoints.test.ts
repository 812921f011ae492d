import { expect, test } from 'vitest'
import { examineConfiguration, examineForCompiler } from './examine-configuration.ts'

const service = '{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {ports: [{port: 80}]}}'
const slice = (namespace: string, name: string) =>
  `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: db-1, namespace: ${namespace}, labels: {kubernetes.io/service-name: ${name}}}, addressType: IPv4, endpoints: [{addresses: [10.0.0.1]}]}`
const endpoints = (metadata: string) =>
  `{apiVersion: v1, kind: Endpoints, metadata: ${metadata}, subsets: [{addresses: [{ip: 10.0.0.1}]}]}`
const doubt = 'ineffective Service db spec.selector'

test.each([
  ['nothing', [], [doubt]],
  ['an EndpointSlice', [slice('shop', 'db')], []],
  ['Endpoints', [endpoints('{name: db, namespace: shop}')], []],
  ['Endpoints in the namespace of those that name none', [endpoints('{name: db}')], []],
  ['an EndpointSlice of another service', [slice('shop', 'web')], [doubt]],
  ['an EndpointSlice of another namespace', [slice('other', 'db')], [doubt]],
  ['an object of another kind', ['{apiVersion: v1, kind: ConfigMap, metadata: {name: db, namespace: shop}}'], [doubt]],
])(
  'a Service without a selector, beside %s, is doubted where nothing is written of its endpoints',
  (_what, others, said) => {
    const configuration = { text: [service, ...others].join('\n---\n'), findPlace: () => undefined }
    const tell = (examine: typeof examineConfiguration) =>
      examine(configuration, 'shop').problems.map(
        ({ code, object, path }) => `${code} ${object?.kind} ${object?.name} ${path}`,
      )
    expect(tell(examineConfiguration)).toEqual(said)
    expect(tell(examineForCompiler)).toEqual([doubt])
  },
)
