import { toYaml } from '../to-yaml.ts'

/** Objects that say what those of Istio's samples/bookinfo/networking say, by the names of its files; without a namespace, as there. */

const networking = (kind: string, name: string, spec: object, namespace?: string): object => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name, ...(namespace !== undefined && { namespace }) },
  spec,
})

const to = (host: string, subset: string, weight?: number) => ({
  destination: { host, subset },
  ...(weight !== undefined && { weight }),
})
const virtualService = (host: string, http: readonly object[]) =>
  networking('VirtualService', host, { hosts: [host], http })
const destinationRule = (host: string, versions: readonly string[], trafficPolicy?: object) =>
  networking('DestinationRule', host, {
    host,
    ...(trafficPolicy && { trafficPolicy }),
    subsets: versions.map((name) => ({ name, labels: { version: name } })),
  })
const subsets = (trafficPolicy?: object) => [
  destinationRule('productpage', ['v1'], trafficPolicy),
  destinationRule('reviews', ['v1', 'v2', 'v3'], trafficPolicy),
  destinationRule('ratings', ['v1', 'v2', 'v2-mysql', 'v2-mysql-vm'], trafficPolicy),
  destinationRule('details', ['v1', 'v2'], trafficPolicy),
]
const all = (host: string, subset: string) => virtualService(host, [{ route: [to(host, subset)] }])
const split = (first: string, firstWeight: number, second: string, secondWeight: number) => [
  virtualService('reviews', [{ route: [to('reviews', first, firstWeight), to('reviews', second, secondWeight)] }]),
]
const ofJasonAndOthers = (others: string) => [
  virtualService('reviews', [{ match: ofJason, route: [to('reviews', 'v2')] }, { route: [to('reviews', others)] }]),
]
const withDatabase = (version: string) => [all('reviews', 'v3'), all('ratings', version)]
const ofJason = [{ headers: { 'end-user': { exact: 'jason' } } }]
const faulty = (fault: object) =>
  virtualService('ratings', [{ match: ofJason, fault, route: [to('ratings', 'v1')] }, { route: [to('ratings', 'v1')] }])
const percentage = { value: 100 }
const googleApis = 'www.googleapis.com'

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
  'certmanager-gateway': [
    networking(
      'Gateway',
      'cert-manager-gateway',
      {
        selector: { istio: 'ingressgateway' },
        servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
      },
      'istio-system',
    ),
    networking(
      'VirtualService',
      'cert-manager',
      {
        hosts: ['*'],
        gateways: ['cert-manager-gateway'],
        http: [
          {
            match: [{ uri: { prefix: '/.well-known/acme-challenge/' } }],
            route: [{ destination: { host: 'cert-manager-resolver', port: { number: 8089 } } }],
          },
        ],
      },
      'istio-system',
    ),
  ],
  'destination-rule-all': subsets(),
  'destination-rule-all-mtls': subsets({ tls: { mode: 'ISTIO_MUTUAL' } }),
  'destination-rule-reviews': [destinationRule('reviews', ['v1', 'v2', 'v3'], { loadBalancer: { simple: 'RANDOM' } })],
  'egress-rule-google-apis': [
    networking('ServiceEntry', 'googleapis', {
      hosts: [googleApis],
      ports: [
        { number: 80, name: 'http', protocol: 'HTTP' },
        { number: 443, name: 'https', protocol: 'HTTPS' },
      ],
      resolution: 'DNS',
    }),
    networking('VirtualService', 'rewrite-port-for-googleapis', {
      hosts: [googleApis],
      http: [{ match: [{ port: 80 }], route: [{ destination: { host: googleApis, port: { number: 443 } } }] }],
    }),
    networking('DestinationRule', 'originate-tls-for-googleapis', {
      host: googleApis,
      trafficPolicy: {
        loadBalancer: { simple: 'ROUND_ROBIN' },
        portLevelSettings: [{ port: { number: 443 }, tls: { mode: 'SIMPLE' } }],
      },
    }),
  ],
  'fault-injection-details-v1': [
    virtualService('details', [
      { fault: { abort: { httpStatus: 555, percentage } }, route: [to('details', 'v1')] },
      { route: [to('details', 'v1')] },
    ]),
    destinationRule('details', ['v1']),
  ],
  'virtual-service-all-v1': ['productpage', 'reviews', 'ratings', 'details'].map((host) => all(host, 'v1')),
  'virtual-service-details-v2': [all('details', 'v2')],
  'virtual-service-ratings-db': withDatabase('v2'),
  'virtual-service-ratings-mysql': withDatabase('v2-mysql'),
  'virtual-service-ratings-mysql-vm': withDatabase('v2-mysql-vm'),
  'virtual-service-ratings-test-abort': [faulty({ abort: { percentage, httpStatus: 500 } })],
  'virtual-service-ratings-test-delay': [faulty({ delay: { percentage, fixedDelay: '7s' } })],
  'virtual-service-reviews-50-v3': split('v1', 50, 'v3', 50),
  'virtual-service-reviews-80-20': split('v1', 80, 'v2', 20),
  'virtual-service-reviews-90-10': split('v1', 90, 'v2', 10),
  'virtual-service-reviews-jason-v2-v3': ofJasonAndOthers('v3'),
  'virtual-service-reviews-test-v2': ofJasonAndOthers('v1'),
  'virtual-service-reviews-v2-v3': split('v2', 50, 'v3', 50),
  'virtual-service-reviews-v3': [all('reviews', 'v3')],
} satisfies Readonly<Record<string, readonly object[]>>
export type NetworkingSample = keyof typeof samples

export const toNetworkingYaml = (sample: NetworkingSample): string => toYaml(samples[sample])

export const networkingSamples = Object.keys(samples) as readonly NetworkingSample[]
