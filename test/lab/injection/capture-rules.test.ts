import { afterEach, describe, expect, it } from 'vitest'
import { AnnotationReader } from '#mesh/injection/annotation-reader.ts'
import { buildCaptureScript } from '#mesh/injection/capture-rules.ts'
import { readCaptureSettings } from '#mesh/injection/capture-settings.ts'
import { peerAddress, podAddress, PodAndPeer } from './pod-and-peer.ts'

const outbound = '15001'
const inbound = '15006'
/** An address that nobody has, as that of a Service. */
const virtualAddress = '10.96.0.10'

let pair: PodAndPeer | undefined
afterEach(async () => {
  await pair?.remove()
  pair = undefined
})

const podPorts = [80, 8080, 15_001, 15_006, 15_021]
const peerPorts = [80, 9000]

const createPod = async (annotations: Readonly<Record<string, string>> = {}, ipv6 = true): Promise<PodAndPeer> => {
  pair = await PodAndPeer.create({ ipv6 })
  await pair.listen('pod', podPorts)
  await pair.listen('peer', peerPorts)
  const named = Object.entries(annotations).map(([name, text]) => [`traffic.sidecar.istio.io/${name}`, text])
  await pair.capture(buildCaptureScript(readCaptureSettings(new AnnotationReader(Object.fromEntries(named)))))
  return pair
}

type Connection = readonly [
  from: 'application' | 'proxy' | 'peer',
  to: readonly [host: string, port: number, source?: string],
  arrivesAt: string,
]

/** The connections that end elsewhere than they should, with where they end. */
const findStrays = async (pod: PodAndPeer, connections: readonly Connection[]): Promise<readonly Connection[]> => {
  const arrived = await Promise.all(
    connections.map(async ([from, to]): Promise<Connection> => [from, to, await pod.connect(from, to)]),
  )
  return arrived.filter(([, , port], index) => port !== connections[index]?.[2])
}

describe('capture without annotations', () => {
  it('leads what goes out and what comes in through the proxy, and nothing else', async () => {
    expect(
      await findStrays(await createPod(), [
        ['application', [peerAddress.ipv4, 80], outbound],
        ['application', [virtualAddress, 1234], outbound],
        ['application', [peerAddress.ipv6, 80], outbound],
        ['proxy', [peerAddress.ipv4, 80], '80'],
        ['proxy', [peerAddress.ipv6, 80], '80'],
        ['peer', [podAddress.ipv4, 80], inbound],
        ['peer', [podAddress.ipv4, 4321], inbound],
        ['peer', [podAddress.ipv6, 80], inbound],
        ['peer', [podAddress.ipv4, 15_021], '15021'],
        ['application', ['127.0.0.1', 8080], '8080'],
        ['application', ['::1', 8080], '8080'],
        ['application', [podAddress.ipv4, 8080], '8080'],
        ['proxy', ['127.0.0.1', 8080], '8080'],
      ]),
    ).toEqual([])
  })

  it('brings a pod that its own proxy has chosen to itself, unless the request has been captured already', async () => {
    expect(
      await findStrays(await createPod(), [
        ['proxy', [podAddress.ipv4, 8080], inbound],
        ['proxy', [podAddress.ipv6, 8080], inbound],
        ['proxy', [podAddress.ipv4, 8080, '127.0.0.6'], '8080'],
      ]),
    ).toEqual([])
  })

  it('can be set up again, and then has the same rules', async () => {
    const pod = await createPod()
    const before = [await pod.rules('iptables'), await pod.rules('ip6tables')].map(withoutCounters)
    await pod.capture(buildCaptureScript(readCaptureSettings(new AnnotationReader({}))))
    expect([await pod.rules('iptables'), await pod.rules('ip6tables')].map(withoutCounters)).toEqual(before)
  })

  it('leaves IPv6 out where the pod has none', async () => {
    const pod = await createPod({}, false)
    expect(await pod.rules('ip6tables')).not.toContain('ISTIO')
    expect(await findStrays(pod, [['application', [peerAddress.ipv4, 80], outbound]])).toEqual([])
  })
})

/** The time of saving, and packets. */
const withoutCounters = (rules: string): string => rules.replaceAll(/^#.*$|\[\d+:\d+\]/gm, '')

describe('capture with annotations', () => {
  it('leaves excluded ports alone', async () => {
    expect(
      await findStrays(await createPod({ excludeInboundPorts: '8080', excludeOutboundPorts: '9000, 9001' }), [
        ['peer', [podAddress.ipv4, 8080], '8080'],
        ['peer', [podAddress.ipv4, 80], inbound],
        ['application', [peerAddress.ipv4, 9000], '9000'],
        ['application', [peerAddress.ipv4, 80], outbound],
      ]),
    ).toEqual([])
  })

  it('captures no inbound ports but those that are named', async () => {
    expect(
      await findStrays(await createPod({ includeInboundPorts: '8080' }), [
        ['peer', [podAddress.ipv4, 8080], inbound],
        ['peer', [podAddress.ipv4, 80], '80'],
      ]),
    ).toEqual([])
  })

  it('captures nothing inbound when the list is empty', async () => {
    expect(
      await findStrays(await createPod({ includeInboundPorts: '' }), [
        ['peer', [podAddress.ipv4, 80], '80'],
        ['application', [peerAddress.ipv4, 80], outbound],
      ]),
    ).toEqual([])
  })

  it('captures the ranges that are named, and ports outside of them that are', async () => {
    expect(
      await findStrays(
        await createPod({ includeOutboundIPRanges: '10.77.0.0/16,fd77::/16', includeOutboundPorts: '9000' }),
        [
          ['application', [peerAddress.ipv4, 80], outbound],
          ['application', [peerAddress.other, 80], '80'],
          ['application', [peerAddress.other, 9000], outbound],
          ['application', [peerAddress.ipv6, 80], outbound],
          ['application', [peerAddress.otherIpv6, 80], '80'],
        ],
      ),
    ).toEqual([])
  })

  it('leaves excluded ranges alone, whatever the port is', async () => {
    expect(
      await findStrays(
        await createPod({ excludeOutboundIPRanges: '10.88.0.0/16,fd88::/16', includeOutboundPorts: '9000' }),
        [
          ['application', [peerAddress.other, 80], '80'],
          ['application', [peerAddress.other, 9000], '9000'],
          ['application', [peerAddress.otherIpv6, 80], '80'],
          ['application', [peerAddress.ipv4, 80], outbound],
        ],
      ),
    ).toEqual([])
  })

  it('captures nothing outbound when no range is named', async () => {
    expect(
      await findStrays(await createPod({ includeOutboundIPRanges: '' }), [
        ['application', [peerAddress.ipv4, 80], '80'],
        ['peer', [podAddress.ipv4, 80], inbound],
      ]),
    ).toEqual([])
  })

  it('captures what an application sends to its own pod when its range has the loopback in it', async () => {
    expect(
      await findStrays(await createPod({ includeOutboundIPRanges: '127.0.0.0/8,10.0.0.0/8' }), [
        ['application', [podAddress.ipv4, 8080], outbound],
        ['application', ['127.0.0.1', 8080], '8080'],
      ]),
    ).toEqual([])
  })

  it('leaves an excluded interface alone', async () => {
    expect(
      await findStrays(await createPod({ excludeInterfaces: 'eth0' }), [
        ['peer', [podAddress.ipv4, 80], '80'],
        ['application', [peerAddress.ipv4, 80], '80'],
      ]),
    ).toEqual([])
  })

  it('takes what comes in through a virtual interface as outbound', async () => {
    expect(
      await findStrays(await createPod({ kubevirtInterfaces: 'eth0', includeOutboundIPRanges: '10.99.0.0/16' }), [
        ['peer', [podAddress.ipv4, 80], '80'],
      ]),
    ).toEqual([])
    await pair?.remove()
    expect(
      await findStrays(await createPod({ kubevirtInterfaces: 'eth0' }), [['peer', [podAddress.ipv4, 80], outbound]]),
    ).toEqual([])
  })
})
