import { describe, expect, test } from 'vitest'
import {
  accessRecordSeparator,
  accessRecordValues,
  splitAccessRecord,
  type AccessRecordValue,
} from './access-record.ts'
import { unknownParty, verifiedByMesh } from './party.ts'
import { toPartyFields, toRequestFields } from './to-access-log-record.ts'

const toText = (values: Partial<Record<AccessRecordValue, string>>) =>
  accessRecordValues
    .map((name) => ({ version: '2', protocol: 'http', ...values })[name] ?? '-')
    .join(accessRecordSeparator)
const read = (values: Partial<Record<AccessRecordValue, string>>) => {
  const texts = splitAccessRecord(toText(values))
  if (!texts) throw new Error('no record')
  return texts
}

describe('a record of a proxy', () => {
  test.each([
    ['a value too many', toText({ path: `/${accessRecordSeparator}x` })],
    ['a value too few', toText({}).slice(2)],
    ['another version', toText({ version: '3' })],
    ['the values of the version before', toText({ version: '1' })],
    ['too few values of its version', toText({}).split(accessRecordSeparator).slice(0, -3).join(accessRecordSeparator)],
    ['nothing', ''],
  ])('is none with %s', (_, text) => expect(splitAccessRecord(text)).toBeUndefined())

  test('may be of the version before, while a proxy has not heard of this one', () => {
    const text = toText({ version: '1', path: '/x' }).split(accessRecordSeparator).slice(0, -3)
    const texts = splitAccessRecord(text.join(accessRecordSeparator))
    expect(texts && toRequestFields(texts)).toMatchObject({ path: '/x', policy_trial: undefined })
  })

  test.each([
    ['its duration in milliseconds where there is no other', { durationMs: '3' }, { duration_us: 3000 }],
    [
      'gRPC by its content',
      { contentType: 'application/grpc+proto', grpcStatus: '14' },
      { request_protocol: 'grpc', grpc_response_status: 14 },
    ],
    [
      'gRPC-Web, which is HTTP as metrics have it',
      { contentType: 'application/grpc-web+proto' },
      { request_protocol: 'http' },
    ],
    [
      'no status of what is no HTTP',
      { protocol: 'tcp', code: '0' },
      { request_protocol: 'tcp', response_code: undefined },
    ],
    [
      'no number that is none',
      { code: '1e99', sentBytes: '-4' },
      { response_code: undefined, response_bytes: undefined },
    ],
    [
      'the policy that denied',
      { details: 'rbac_access_denied_matched_policy[ns/x]' },
      { policy_verdict: 'denied:ns/x' },
    ],
    [
      'what a dry run would have denied',
      { trialDenyRule: 'ns[a]-policy[b]-rule[0]', trialAllowResult: 'denied' },
      { policy_verdict: undefined, policy_trial: 'denied:ns[a]-policy[b]-rule[0]' },
    ],
    ['what a dry run would not have allowed', { trialAllowResult: 'denied' }, { policy_trial: 'denied:none' }],
    ['nothing of a dry run that allows', { trialAllowResult: 'allowed' }, { policy_trial: undefined }],
    ['the rule that marked it', { auditRule: 'ns[a]-policy[b]-rule[0]' }, { policy_audit: 'ns[a]-policy[b]-rule[0]' }],
    ['that a provider denied', { details: 'ext_authz_denied' }, { policy_verdict: 'denied:provider' }],
    ['that its key was wrong', { details: 'unknown_api_key' }, { policy_verdict: 'denied:client' }],
    ['that it had no key', { details: 'missing_api_key' }, { policy_verdict: 'denied:client' }],
    [
      'that its password was wrong',
      { details: 'invalid_credential_for_basic_auth' },
      { policy_verdict: 'denied:client' },
    ],
    ['that a provider failed', { details: 'ext_authz_error' }, { policy_verdict: 'denied:provider-failed' }],
    [
      'why a connection ended',
      { terminationDetails: 'timeout' },
      { response_details: 'timeout', policy_verdict: undefined },
    ],
    [
      'the host that has no upstream',
      { hostService: 'a/b.a.svc.c', hostServicePort: '80' },
      { destination_service_name: 'b', destination_port: 80 },
    ],
    [
      'no port of another service',
      { service: 'PassthroughCluster', hostServicePort: '80' },
      { destination_service_name: 'PassthroughCluster', destination_service: undefined, destination_port: undefined },
    ],
  ] as const)('tells %s', (_, values, expected) => expect(toRequestFields(read(values))).toMatchObject(expected))

  test('tells of its proxy what the agent knows, with a principal only where it was shown', () => {
    const own = { ...unknownParty, workload: 'w', principal: 'spiffe://d/ns/a/sa/b' }
    const teller = { own, cluster: 'east', proxy: 'sidecar/a/w' }
    const plain = toPartyFields(read({ reporter: 'destination' }), teller)
    expect(plain).toMatchObject({ cluster: 'east', destination_workload: 'w', connection_security_policy: 'none' })
    expect(plain).not.toHaveProperty('destination_principal')
    const peerUriNames = 'spiffe://d/ns/c/sa/d'
    const told = { reporter: 'source', peerUriNames: `${verifiedByMesh}|${peerUriNames}` }
    expect(toPartyFields(read(told), teller)).toMatchObject({
      source_principal: own.principal,
      destination_principal: peerUriNames,
      destination_workload_namespace: 'c',
    })
  })
})
