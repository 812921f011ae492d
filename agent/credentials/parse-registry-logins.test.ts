import { expect, test } from 'vitest'
import { findRegistryLogin, parseRegistryLogins } from './parse-registry-logins.ts'

const encode = (text: string) => Buffer.from(text).toString('base64')
const parse = (auths: unknown) => parseRegistryLogins({ '.dockerconfigjson': JSON.stringify({ auths }) })

const logins = {
  'registry.example': { auth: encode('all:p:1') },
  'registry.example/team': { auth: encode('team:2') },
  'registry.example/team/plugin': { username: 'plugin', password: '3' },
  'https://Registry.example:5000/': { auth: encode('port:4') },
  'https://index.docker.io/v1/': { auth: encode('hub:5') },
  'token.example': { identitytoken: 'secret' },
  'empty.example': { auth: encode('nobody:') },
  'odd.example': { auth: 'secret' },
}

test.each([
  ['registry.example', 'any', 'all p:1'],
  ['registry.example', 'team/other', 'team 2'],
  ['registry.example', 'team-of-others/plugin', 'all p:1'],
  ['REGISTRY.example', 'team/plugin', 'plugin 3'],
  ['registry.example:5000', 'team/plugin', 'port 4'],
  ['registry.example:443', 'any', 'nobody'],
  ['registry.example.evil.example', 'any', 'nobody'],
  ['registry-1.docker.io', 'library/any', 'hub 5'],
  ['token.example', 'any', 'nobody'],
  ['empty.example', 'any', 'nobody'],
  ['odd.example', 'any', 'nobody'],
])('%s/%s is signed in to by %s', (registry, repository, expected) => {
  const parsed = parse(logins)
  const login = parsed.ok ? findRegistryLogin(parsed.value, { registry, repository }) : undefined
  expect(login ? `${login.user} ${login.password}` : 'nobody').toBe(expected)
})

test.each([[{ '.dockerconfigjson': 'secret' }], [{ '.dockerconfigjson': '{"auths": "secret"}' }], [{}]])(
  'what can not be understood is of no use, and is not told',
  (values) => {
    expect(parseRegistryLogins(values)).toEqual({
      ok: false,
      error: 'its .dockerconfigjson is not {"auths": {"<registry>": {"auth": "…"}}}',
    })
  },
)
