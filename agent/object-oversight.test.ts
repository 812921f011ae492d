import { expect, test } from 'vitest'
import { VirtualClock } from '#test/agent/virtual-clock.ts'
import { readScene } from '#test/compile/scene.ts'
import { makeObject } from '#test/mesh/records.ts'
import { ProxyCredentials } from './credentials/proxy-credentials.ts'
import { createLog } from './log.ts'
import { ObjectOversight } from './object-oversight.ts'

const scene = `
about: ''
services: []
workloads: {gateway-1: {address: 127.0.97.5, labels: {istio: edge}}}
config: []
proxies: [gateway/default/gateway-1/edge]
`

/** A cluster whose gateway takes a certificate from a Secret that is not there. Other Secrets than before are read for as long as a test lets it. */
const start = () => {
  const { store, proxies } = readScene(scene)
  const clock = new VirtualClock()
  const log = createLog('silent')
  const source = { isReading: false, changed: () => {} }
  const credentials = new ProxyCredentials({
    view: store,
    source: {
      start: (listener) => (source.changed = () => listener(new Map())),
      stop: async () => {},
      want: () => (source.isReading = true),
      isReading: () => source.isReading,
      failureOf: () => undefined,
      isForbidden: () => false,
      accessOf: () => 'allowed',
    },
    clock,
    log,
    nobody: { certificate: { chainPem: 'nobody', keyPem: 'nobody' }, authorities: { caPem: 'nobody' } },
    onChange: () => objects.changed(),
  })
  const flow = { problems: [], revision: 0 }
  const said: string[] = []
  const objects = new ObjectOversight({
    platform: { registry: { problems: () => [] }, problems: () => [], takeJudgement: () => {} },
    credentials,
    outside: { problems: () => [], namesChanged: () => {} },
    view: store,
    flow,
    delivery: { blamed: () => [] },
    publications: { problems: () => [], stateOf: () => undefined },
    clock,
    log,
    isKnown: () => true,
    onMeshTroubles: (troubles, revision) =>
      said.push([`at ${revision}`, ...troubles.map(({ condition }) => condition.message)].join(': ')),
  })
  credentials.start()
  for (const proxy of proxies) credentials.attach(proxy)
  /** The Gateway names another Secret, as of this revision. */
  const name = (credentialName: string, revision: number) => {
    const tls = { mode: 'SIMPLE', credentialName }
    const server = { port: { number: 443, name: 'https', protocol: 'HTTPS' }, hosts: ['*'], tls }
    const value = makeObject('Gateway', 'edge', { selector: { istio: 'edge' }, servers: [server] })
    store.apply([{ kind: 'config', origin: 'mesh', key: 'Gateway/default/edge', value }])
    flow.revision = revision
    objects.changed()
  }
  const endReading = () => {
    source.isReading = false
    source.changed()
  }
  /** What is said after so long, each once. */
  const saidIn = (milliseconds: number) => {
    clock.advance(milliseconds)
    return [...new Set(said.splice(0))]
  }
  return { objects, name, endReading, saidIn }
}

const missing = (name: string) => `server https: Secret default/${name} is not there`

test('what was said before of an object that names what is being read is not said of the new revision', () => {
  const { name, endReading, saidIn } = start()
  name('first', 5)
  expect(saidIn(60_000)).toEqual(['at 0'])
  endReading()
  expect(saidIn(60_000)).toEqual([`at 5: ${missing('first')}`])
  name('second', 6)
  expect(saidIn(60_000)).toEqual([`at 5: ${missing('first')}`])
  endReading()
  expect(saidIn(60_000)).toEqual([`at 6: ${missing('second')}`])
})

test('… nor when that has just come', () => {
  const { name, endReading, saidIn } = start()
  name('first', 5)
  saidIn(100)
  endReading()
  saidIn(199)
  name('second', 6)
  expect(saidIn(1)).toEqual(['at 0'])
})

test('a plane that was restored has lower revisions than before', () => {
  const { name, endReading, saidIn } = start()
  name('first', 5)
  saidIn(60_000)
  endReading()
  saidIn(60_000)
  name('second', 3)
  expect(saidIn(60_000)).toEqual([`at 3: ${missing('first')}`])
})
