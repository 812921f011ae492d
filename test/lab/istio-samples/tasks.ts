/**
 * The objects of tasks in Istio's documentation (Traffic management: Egress, Locality Load Balancing), step by step, with its names and hosts.
 * They are written here: there is no release of the documentation with files to apply.
 */

const networking = (kind: string, name: string, spec: string): string => `---
apiVersion: networking.istio.io/v1
kind: ${kind}
metadata: {name: ${name}}
spec:
${spec}
`

/** The name that Istio's tasks call the egress gateway by. */
export const gatewayHost = 'istio-egressgateway.istio-system.svc.cluster.local'

/** "Accessing External Services" */
export const externalHttp = networking(
  'ServiceEntry',
  'httpbin-ext',
  `  hosts: [httpbin.org]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS
  location: MESH_EXTERNAL`,
)
export const externalHttps = networking(
  'ServiceEntry',
  'google',
  `  hosts: [www.google.com]
  ports: [{number: 443, name: https, protocol: HTTPS}]
  resolution: DNS
  location: MESH_EXTERNAL`,
)
export const externalTimeout = networking(
  'VirtualService',
  'httpbin-ext',
  `  hosts: [httpbin.org]
  http:
  - timeout: 3s
    route: [{destination: {host: httpbin.org}, weight: 100}]`,
)

const cnn = networking(
  'ServiceEntry',
  'cnn',
  `  hosts: [edition.cnn.com]
  ports:
  - {number: 80, name: http-port, protocol: HTTP}
  - {number: 443, name: https, protocol: HTTPS}
  resolution: DNS`,
)
const gateway = (server: string): string =>
  networking(
    'Gateway',
    'istio-egressgateway',
    `  selector: {istio: egressgateway}
  servers:
  - hosts: [edition.cnn.com]
${server}`,
  )
const gatewaySubset = (policy = ''): string =>
  networking(
    'DestinationRule',
    'egressgateway-for-cnn',
    `  host: ${gatewayHost}
  subsets:
  - name: cnn${policy}`,
  )
const throughGateway = (outsidePort: number): string =>
  networking(
    'VirtualService',
    'direct-cnn-through-egress-gateway',
    `  hosts: [edition.cnn.com]
  gateways: [istio-egressgateway, mesh]
  http:
  - match: [{gateways: [mesh], port: 80}]
    route: [{destination: {host: ${gatewayHost}, subset: cnn, port: {number: 80}}, weight: 100}]
  - match: [{gateways: [istio-egressgateway], port: 80}]
    route: [{destination: {host: edition.cnn.com, port: {number: ${outsidePort}}}, weight: 100}]`,
  )

/** "Egress Gateways", for HTTP */
export const gatewayHttp =
  cnn + gateway('    port: {number: 80, name: http, protocol: HTTP}') + gatewaySubset() + throughGateway(80)

/** "Egress Gateways", for HTTPS */
export const gatewayHttps =
  networking(
    'ServiceEntry',
    'cnn',
    `  hosts: [edition.cnn.com]
  ports: [{number: 443, name: tls, protocol: TLS}]
  resolution: DNS`,
  ) +
  gateway(`    port: {number: 443, name: tls, protocol: TLS}
    tls: {mode: PASSTHROUGH}`) +
  gatewaySubset() +
  networking(
    'VirtualService',
    'direct-cnn-through-egress-gateway',
    `  hosts: [edition.cnn.com]
  gateways: [mesh, istio-egressgateway]
  tls:
  - match: [{gateways: [mesh], port: 443, sniHosts: [edition.cnn.com]}]
    route: [{destination: {host: ${gatewayHost}, subset: cnn, port: {number: 443}}}]
  - match: [{gateways: [istio-egressgateway], port: 443, sniHosts: [edition.cnn.com]}]
    route: [{destination: {host: edition.cnn.com, port: {number: 443}}, weight: 100}]`,
  )

/** "Egress Gateways with TLS Origination", where mutual TLS leads to the gateway */
export const gatewayOrigination =
  cnn +
  gateway(`    port: {number: 80, name: https-port-for-tls-origination, protocol: HTTPS}
    tls: {mode: ISTIO_MUTUAL}`) +
  gatewaySubset(`
    trafficPolicy:
      loadBalancer: {simple: ROUND_ROBIN}
      portLevelSettings:
      - port: {number: 80}
        tls: {mode: ISTIO_MUTUAL, sni: edition.cnn.com}`) +
  throughGateway(443) +
  networking(
    'DestinationRule',
    'originate-tls-for-edition-cnn-com',
    `  host: edition.cnn.com
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    portLevelSettings: [{port: {number: 443}, tls: {mode: SIMPLE}}]`,
  )

/** "Egress TLS Origination" */
export const sidecarOrigination =
  networking(
    'ServiceEntry',
    'edition-cnn-com',
    `  hosts: [edition.cnn.com]
  ports:
  - {number: 80, name: http-port, protocol: HTTP, targetPort: 443}
  - {number: 443, name: https-port, protocol: HTTPS}
  resolution: DNS`,
  ) +
  networking(
    'DestinationRule',
    'edition-cnn-com',
    `  host: edition.cnn.com
  trafficPolicy:
    portLevelSettings: [{port: {number: 80}, tls: {mode: SIMPLE}}]`,
  )

const helloworld = (policy: string): string =>
  networking(
    'DestinationRule',
    'helloworld',
    `  host: helloworld.sample.svc.cluster.local
  trafficPolicy:
${policy}`,
  )

/** "Locality failover" */
export const localityFailover = helloworld(`    connectionPool: {http: {maxRequestsPerConnection: 1}}
    loadBalancer:
      simple: ROUND_ROBIN
      localityLbSetting:
        enabled: true
        failover: [{from: region1, to: region2}]
    outlierDetection: {consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 1m}`)

/** "Locality weighted distribution" */
export const localityDistribution = helloworld(`    loadBalancer:
      localityLbSetting:
        enabled: true
        distribute:
        - from: region1/zone1/*
          to: {region1/zone1/*: 70, region1/zone2/*: 20, region3/zone4/*: 10}
    outlierDetection: {consecutive5xxErrors: 100, interval: 1s, baseEjectionTime: 1m}`)
