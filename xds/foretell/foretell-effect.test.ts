import { describe, expect, test } from 'vitest'
import {
  mutual,
  connection,
  outside,
  make,
  allow,
  deny,
  peers,
  issuer,
  paths,
  ports,
  from,
  header,
  claim,
  foretell,
  policy,
  told,
  denied,
  type Row,
  type World,
} from '#test/compile/foretold.ts'

describe('requests to a sidecar', () => {
  test.each<Row>([
    ['a policy that denies', {}, [deny([paths('/a/*')])], mutual, `denied by ${policy} rules[0]`],
    [
      'one for others',
      {},
      [make('AuthorizationPolicy', 'p', { selector: { matchLabels: { app: 'x' } }, rules: [] })],
      mutual,
      undefined,
    ],
    ['one that is gone', { present: [allow([paths('/b')])] }, policy, { ...mutual, ...denied }, 'allowed by '],
    [
      'the last of two that allow',
      { present: [allow([paths('/b')]), allow([{}], 'q')] },
      'AuthorizationPolicy/default/q',
      mutual,
      `denied by ${policy} rules`,
    ],
    ['whose port is not the called one', {}, [deny([ports('80')])], mutual, 'same'],
    ['whose port is', {}, [deny([ports('8080')])], mutual, `denied by ${policy} rules[0]`],
    ['a header that nobody recorded', {}, [deny([header])], mutual, 'allowed, then not known: header x-role'],
    ['a claim where nobody verifies', {}, [allow([claim])], mutual, `denied by ${policy} rules`],
    [
      'a claim where somebody does',
      { present: [issuer()] },
      [allow([claim])],
      mutual,
      'allowed, then not known: claim groups',
    ],
    [
      'a provider that is to be asked',
      {},
      [make('AuthorizationPolicy', 'p', { action: 'CUSTOM', provider: { name: 'x' }, rules: [{}] })],
      mutual,
      'allowed, then not known: what its provider says',
    ],
    [
      'slashes that are merged',
      { settings: '{meshConfig: {pathNormalization: {normalization: MERGE_SLASHES}}}' },
      [deny([paths('/a/b')])],
      { ...mutual, path: '/a//b' },
      `denied by ${policy} rules[0]`,
    ],
    ['slashes that are not', {}, [deny([paths('/a/b')])], { ...mutual, path: '/a//b' }, 'same'],
    ['who was refused for a token', { present: [issuer()] }, [deny([paths('/a/*')])], { ...mutual, ...told }, 'same'],
    [
      'who was refused for a key',
      {},
      [allow([paths('/b')])],
      { ...mutual, response_details: 'missing_api_key' },
      'same',
    ],
    [
      'who was refused by a provider',
      {},
      [deny([paths('/b')])],
      { ...mutual, policy_verdict: 'denied:provider' },
      'same',
    ],
  ])('%s', (_, world, then, record, expected) => {
    expect(foretell(world, then, record)).toBe(expected)
  })

  test.each<Row>([
    [
      'that it went on says that nothing denied it',
      { present: [deny([header], 'q')] },
      [deny([paths('/b')])],
      mutual,
      'same',
    ],
    [
      '… but by the rules of then alone',
      { present: [deny([header], 'q')] },
      [deny([paths('/b')])],
      { ...mutual, revision: 6 },
      'allowed, then not known: header x-role',
    ],
    [
      '… and of what stays',
      { present: [deny([header])] },
      [deny([header, paths('/b')])],
      mutual,
      'allowed, then not known: header x-role',
    ],
    [
      'the one rule that may have allowed it did',
      { present: [allow([header], 'q')] },
      [allow([paths('/b')])],
      mutual,
      'same',
    ],
    [
      'one of two did, and both stay',
      { present: [allow([header, claim], 'q'), issuer()] },
      [deny([paths('/b')])],
      mutual,
      'same',
    ],
    [
      'one of two did, and one goes',
      { present: [allow([header], 'q'), allow([claim]), issuer()] },
      policy,
      mutual,
      'allowed, then not known: header x-role',
    ],
    ['none did', { present: [allow([header], 'q')] }, [allow([paths('/b')])], { ...mutual, ...denied }, 'same'],
  ])('of what nobody recorded, %s', (_, world, then, record, expected) => {
    expect(foretell(world, then, record)).toBe(expected)
  })
})

describe('connections', () => {
  test.each<Row>([
    ['are judged by who calls', {}, [allow([from({ serviceAccounts: ['default/web'] })])], connection, 'same'],
    ['and denied', {}, [allow([from({ serviceAccounts: ['default/cart'] })])], connection, `denied by ${policy} rules`],
    ['what is asked of requests allows nothing', {}, [allow([paths('/a')])], connection, `denied by ${policy} rules`],
    [
      '… and is no reason not to deny',
      {},
      [deny([{ ...paths('/a'), ...from({ namespaces: ['default'] }) }])],
      connection,
      `denied by ${policy} rules[0]`,
    ],
    ['at their port', {}, [deny([ports('9090')])], connection, `denied by ${policy} rules[0]`],
    ['at one of which nobody knows', {}, [deny([ports('9091')])], { ...connection, upstream_host: undefined }, 'same'],
    [
      'which a policy let go',
      { present: [deny([from({ namespaces: ['default'] })])] },
      policy,
      connection,
      'allowed by ',
    ],
  ])('%s', (_, world, then, record, expected) => {
    expect(foretell(world, then, record)).toBe(expected)
  })
})

describe('at a gateway', () => {
  const gateway: World = { role: 'gateway' }
  test.each<Row>([
    [
      'clients are judged by where they are',
      gateway,
      [deny([from({ remoteIpBlocks: ['203.0.113.0/24'] })])],
      outside,
      `denied by ${policy} rules[0]`,
    ],
    [
      'and not where they are behind proxies',
      { ...gateway, settings: '{meshConfig: {defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}}}' },
      [deny([from({ remoteIpBlocks: ['203.0.113.0/24'] })])],
      outside,
      'allowed, then not known: client address',
    ],
    ['they have no name', gateway, [allow([from({ principals: ['*'] })])], outside, `denied by ${policy} rules`],
    [
      'paths and hosts',
      gateway,
      [deny([{ to: [{ operation: { hosts: ['shop.example.com'], paths: ['/a//*'] } }] }])],
      outside,
      `denied by ${policy} rules[0]`,
    ],
    ['ports are where it listens', gateway, [deny([ports('18080')])], outside, `denied by ${policy} rules[0]`],
    [
      'connections',
      gateway,
      [deny([ports('18090')])],
      { ...outside, request_protocol: 'tcp' },
      `denied by ${policy} rules[0]`,
    ],
    ['a PeerAuthentication says nothing', gateway, [peers('STRICT')], outside, undefined],
    [
      'tokens',
      gateway,
      [issuer()],
      outside,
      'allowed, then not known: whether it brings a token, and one that is right by RequestAuthentication/default/r',
    ],
  ])('%s', (_, world, then, record, expected) => {
    expect(foretell(world, then, record)).toBe(expected)
  })
})
