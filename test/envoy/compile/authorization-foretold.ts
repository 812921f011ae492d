import { ExplainedScene } from '#test/compile/explain.ts'
import { makeObject } from '#test/mesh/records.ts'
import { foretellEffect, type Effect } from '#xds/foretell/foretell-effect.ts'
import { proposeMesh } from '#xds/foretell/proposal.ts'
import type { RecordedCall } from '#xds/foretell/read-record.ts'
import { describeCall, type Caller, type HttpCall } from './authorization-calls.ts'
import type { Rule } from './authorization-rows.ts'
import type { Stage } from './stage.ts'

const accounts = { web: 'default/sa/web', cart: 'shop/sa/cart' } as const

/** As the server's sidecar tells it: no headers, and no tokens. */
const toRecord = (caller: Caller, port: string): RecordedCall => ({
  source_address: '127.0.0.1:4000',
  source_principal: `spiffe://td.example/ns/${accounts[caller]}`,
  source_cluster: 'east',
  connection_security_policy: 'mutual_tls',
  upstream_host: `127.0.0.1:${port}`,
  revision: 1,
})

/** What a policy would make of calls to the server, by their records alone. */
const toForetell = ({ scene }: Stage, policy: Rule): ((record: RecordedCall) => Effect['after']) => {
  const proxy = scene.proxies.find(({ serviceAccount }) => serviceAccount === 'server')
  const { served, policies } = (proxy && new ExplainedScene(scene).serve(proxy)) ?? {}
  if (!served || !policies) throw new Error('there is no server')
  const { store } = scene
  const proposal = { objects: [makeObject('AuthorizationPolicy', 'p', policy)], deleted: [] }
  const called = { role: 'sidecar', namespace: 'default', cluster: store.localCluster, revision: 1, served, policies }
  const foretell = foretellEffect(proposeMesh(store.settings(), [], proposal), called)
  if (!foretell) throw new Error('the policy is not for the server')
  return (record) => foretell(record).after
}

/** Each call with what becomes of it, as a status; those of which that is not known are left out. */
export const foretellRequests = (stage: Stage, policy: Rule, calls: readonly HttpCall[], port: string) => {
  const foretell = toForetell(stage, policy)
  return calls.flatMap((call) => {
    const { from = 'web', method = 'GET', host: authority = 'server.default', path = '/', headers = {} } = call
    const forwarded = headers['x-forwarded-for']
    const record = { ...toRecord(from, port), request_protocol: 'http', method, authority, path }
    const after = foretell({ ...record, ...(forwarded !== undefined && { forwarded_for: forwarded }) })
    return after === 'not-known' ? [] : [[describeCall(call), after === 'allowed' ? 200 : 403]]
  })
}

/** Each caller with whether it would be let in, of a TCP port; those of whom that is not known are left out. */
export const foretellConnections = (stage: Stage, policy: Rule, port: string) => {
  const foretell = toForetell(stage, policy)
  return (['web', 'cart'] as const).flatMap((caller) => {
    const after = foretell({ ...toRecord(caller, port), request_protocol: 'tcp' })
    return after === 'not-known' ? [] : [[caller, after === 'allowed']]
  })
}
