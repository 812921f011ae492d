import { stringify } from 'yaml'

/** Objects that say what those of Istio's samples/bookinfo/networking say, by the names of their files; without a namespace, as there. */

const networking = (kind: string, name: string, spec: object): object => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name },
  spec,
})

const to = (host: string, subset: string, weight?: number) => ({
  destination: { host, subset },
  ...(weight !== undefined && { weight }),
})
const virtualService = (host: string, http: readonly object[]) =>
  networking('VirtualService', host, { hosts: [host], http })
const destinationRule = (host: string, ...versions: readonly string[]) =>
  networking('DestinationRule', host, {
    host,
    subsets: versions.map((name) => ({ name, labels: { version: name } })),
  })
const ofJason = [{ headers: { 'end-user': { exact: 'jason' } } }]
const faulty = (fault: object) =>
  virtualService('ratings', [{ match: ofJason, fault, route: [to('ratings', 'v1')] }, { route: [to('ratings', 'v1')] }])
const percentage = { value: 100 }

const samples = {
  'bookinfo-gateway': [
    networking('Gateway', 'bookinfo-gateway', {
      selector: { istio: 'ingressgateway' },
      servers: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
    }),
    networking('VirtualService', 'bookinfo', {
      hosts: ['*'],
      gateways: ['bookinfo-gateway'],
      http: [
        {
          match: [
            { uri: { exact: '/productpage' } },
            { uri: { prefix: '/static' } },
            { uri: { exact: '/login' } },
            { uri: { exact: '/logout' } },
            { uri: { prefix: '/api/v1/products' } },
          ],
          route: [{ destination: { host: 'productpage', port: { number: 9080 } } }],
        },
      ],
    }),
  ],
  'destination-rule-all': [
    destinationRule('productpage', 'v1'),
    destinationRule('reviews', 'v1', 'v2', 'v3'),
    destinationRule('ratings', 'v1', 'v2', 'v2-mysql', 'v2-mysql-vm'),
    destinationRule('details', 'v1', 'v2'),
  ],
  'virtual-service-all-v1': ['productpage', 'reviews', 'ratings', 'details'].map((host) =>
    virtualService(host, [{ route: [to(host, 'v1')] }]),
  ),
  'virtual-service-reviews-test-v2': [
    virtualService('reviews', [{ match: ofJason, route: [to('reviews', 'v2')] }, { route: [to('reviews', 'v1')] }]),
  ],
  'virtual-service-ratings-test-delay': [faulty({ delay: { percentage, fixedDelay: '7s' } })],
  'virtual-service-ratings-test-abort': [faulty({ abort: { percentage, httpStatus: 500 } })],
  'virtual-service-reviews-50-v3': [
    virtualService('reviews', [{ route: [to('reviews', 'v1', 50), to('reviews', 'v3', 50)] }]),
  ],
  'virtual-service-reviews-80-20': [
    virtualService('reviews', [{ route: [to('reviews', 'v1', 80), to('reviews', 'v2', 20)] }]),
  ],
} satisfies Readonly<Record<string, readonly object[]>>
export type Sample = keyof typeof samples

export const toSampleYaml = (sample: Sample): string => samples[sample].map((object) => stringify(object)).join('---\n')
