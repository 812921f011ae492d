import { expect, it } from 'vitest'
import { defaultMeshConfig } from '#mesh/config/mesh-config.ts'
import { compileCatchAll } from './compile-catch-all.ts'
import type { Egress, EgressPoint } from './compile-egress.ts'
import { everyHost } from './host-filter.ts'

const egress: Egress = { points: [], captured: undefined, unknown: 'PassthroughCluster' }
const pointAt = (bind: string | undefined): EgressPoint => ({
  bind,
  port: 15_007,
  protocol: 'http',
  scope: { name: 'http-proxy', port: undefined, isCaptured: false },
  hosts: [everyHost],
  isCaptured: false,
})
const namesAt = (bind: string | undefined) =>
  compileCatchAll(pointAt(bind), defaultMeshConfig, egress).map(({ name }) => name)

it.each([undefined, '127.0.0.1', '::1', 'unix:///run/proxy.sock'])(
  'an HTTP proxy at %s calls unknown hosts',
  (bind) => {
    expect(namesAt(bind)).toEqual(['own-port', 'allow-any'])
  },
)
it.each(['0.0.0.0', '::', '10.0.0.1'])('an HTTP proxy at %s, where others reach it, calls none', (bind) => {
  expect(namesAt(bind)).toEqual(['block-all'])
})
