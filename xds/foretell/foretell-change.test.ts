import { describe, expect, test } from 'vitest'
import {
  mutual,
  plain,
  connection,
  make,
  allow,
  peers,
  issuer,
  keys,
  from,
  claim,
  foretell,
  policy,
  peer,
  permissive,
  told,
  type Row,
} from '#test/compile/foretold.ts'

describe('a PeerAuthentication', () => {
  test.each<Row>([
    ['cuts off who calls in plaintext', permissive, [peers('STRICT')], plain, `denied by ${peer} mtls`],
    ['and nobody else', permissive, [peers('STRICT')], mutual, 'same'],
    [
      'also on connections',
      permissive,
      [peers('STRICT')],
      { ...connection, source_principal: undefined, connection_security_policy: 'none' },
      `denied by ${peer} mtls`,
    ],
    ['that goes leaves the mesh its setting', permissive, peer, plain, "denied by the mesh's setting inboundMtls"],
    [
      'that changes nothing',
      permissive,
      [make('PeerAuthentication', 'q', { selector: { matchLabels: { app: 'reviews' } }, mtls: {} })],
      plain,
      undefined,
    ],
    [
      'of one port',
      permissive,
      [
        make('PeerAuthentication', 'q', {
          selector: { matchLabels: { app: 'reviews' } },
          portLevelMtls: { 8080: { mode: 'STRICT' } },
        }),
      ],
      plain,
      'denied by PeerAuthentication/default/q portLevelMtls[8080]',
    ],
    [
      'of another port',
      permissive,
      [
        make('PeerAuthentication', 'q', {
          selector: { matchLabels: { app: 'reviews' } },
          portLevelMtls: { 9090: { mode: 'STRICT' } },
        }),
      ],
      plain,
      'same',
    ],
    [
      'takes names away where it takes plaintext alone',
      { present: [allow([from({ namespaces: ['default'] })])] },
      [peers('DISABLE')],
      mutual,
      `denied by ${policy} rules`,
    ],
    ['… which does not matter where nobody asks for them', {}, [peers('DISABLE')], mutual, 'same'],
    [
      'does not say who goes over to mTLS',
      { present: [peers('DISABLE')] },
      [peers('STRICT')],
      plain,
      'allowed, then not known: whether its caller has a proxy, and so goes over to mTLS',
    ],
    [
      "adds up with the cluster's own",
      { ...permissive, ofCluster: [peers('STRICT')] },
      [peers('DISABLE')],
      mutual,
      undefined,
    ],
    [
      "leaves the cluster's own",
      { present: [make('PeerAuthentication', 'q', { mtls: { mode: 'STRICT' } })], ofCluster: [peers('PERMISSIVE')] },
      'PeerAuthentication/default/q',
      plain,
      'same',
    ],
    [
      "is not known of an agent that does not tell the cluster's own",
      { ...permissive, ofCluster: [peers('STRICT')], isOld: true },
      [peers('DISABLE')],
      mutual,
      "allowed, then not known: what the cluster's own PeerAuthentications say",
    ],
  ])('%s', (_, world, then, record, expected) => {
    expect(foretell(world, then, record)).toBe(expected)
  })
})

describe('tokens, keys', () => {
  const brings = 'whether it brings a token, and one that is right by RequestAuthentication/default/r'
  test.each<Row>([
    ['are looked at from then on', {}, [issuer()], mutual, `allowed, then not known: ${brings}`],
    [
      'of one more issuer',
      { present: [issuer()] },
      [make('RequestAuthentication', 's', { jwtRules: [{ issuer: 'https://more.example', jwks: '{"keys":[]}' }] })],
      mutual,
      'same',
    ],
    [
      'of one more issuer, elsewhere',
      { present: [issuer()] },
      [
        make('RequestAuthentication', 'r', {
          jwtRules: [{ issuer: 'https://idp.example', jwks: '{"keys":[]}', fromHeaders: [{ name: 'x-t' }] }],
        }),
      ],
      mutual,
      `allowed, then not known: ${brings}`,
    ],
    [
      'that were refused',
      { present: [issuer()] },
      [issuer('idp', { audiences: ['a'] })],
      { ...mutual, ...told },
      'denied, then not known: what its token says',
    ],
    [
      'nobody looks at them any more',
      { present: [issuer()] },
      'RequestAuthentication/default/r',
      { ...mutual, ...told },
      'allowed by ',
    ],
    [
      'and so no claim counts',
      { present: [issuer(), allow([claim])] },
      'RequestAuthentication/default/r',
      mutual,
      `denied by ${policy} rules`,
    ],
    ['are no matter of connections', {}, [issuer()], connection, 'same'],
    [
      'of API',
      {},
      [keys],
      mutual,
      'allowed, then not known: whether it brings what ClientAuthentication/default/keys asks for',
    ],
    [
      'of API, for nobody any more',
      { present: [keys] },
      'ClientAuthentication/default/keys',
      { ...mutual, policy_verdict: 'denied:client-not-known' },
      'allowed by ',
    ],
  ])('%s', (_, world, then, record, expected) => {
    expect(foretell(world, then, record)).toBe(expected)
  })
})
