import { expect, test } from 'vitest'
import { allowedPlace, PlaceGuard } from './place-guard.ts'

const guardOf = (...allow: readonly string[]) => new PlaceGuard(allow.map((place) => allowedPlace.parse(place)))
const issuer = new URL('https://issuer.example/keys')
const keycloak = new URL('http://keycloak.auth.svc.cluster.local/realms/one')

test.each(['8.8.8.8', '1.1.1.1', '2606:4700::1111', '::ffff:8.8.8.8'])('lets the agent ask at %s', (address) => {
  expect(guardOf().allows(issuer, address)).toBe(true)
})

const inside = ['10.1.2.3', '172.16.0.1', '192.168.1.1', '100.64.0.1', 'fd12::1', '::ffff:10.1.2.3']

const outside = [
  '127.0.0.1',
  '127.8.8.8',
  '::1',
  '::ffff:127.0.0.1',
  '0.0.0.0',
  '::',
  '169.254.169.254',
  '::ffff:a9fe:a9fe',
  'fe80::1',
  'fe80::1%eth0',
  'fd00:ec2::254',
  '224.0.0.1',
  '255.255.255.255',
  'ff02::1',
  '198.18.0.1',
  '192.0.0.1',
  '64:ff9b::a9fe:a9fe',
  '2002:a9fe:a9fe::1',
  '::127.0.0.1',
  '::ffff:0:a9fe:a9fe',
  '::ffff:0:127.0.0.1',
  'localhost',
  '',
]

test.each([...inside, ...outside])('lets nobody have it ask at %s', (address) => {
  expect(guardOf().allows(issuer, address)).toBe(false)
  expect(guardOf('*.svc.cluster.local').allows(issuer, address)).toBe(false)
})

test.each(inside)('asks a name that is allowed at %s', (address) => {
  expect(guardOf('*.svc.cluster.local').allows(keycloak, address)).toBe(true)
  expect(guardOf('keycloak.auth.svc.cluster.local').allows(keycloak, address)).toBe(true)
  expect(guardOf('other.auth.svc.cluster.local').allows(keycloak, address)).toBe(false)
})

test.each([
  '127.0.0.1',
  '::1',
  '169.254.169.254',
  'fe80::1',
  '::169.254.169.254',
  '::ffff:0:a9fe:a9fe',
  '64:ff9b::a9fe:a9fe',
  '2002:a9fe:a9fe::1',
])('never asks a name that is allowed at %s', (address) => {
  expect(guardOf('*.svc.cluster.local').allows(keycloak, address)).toBe(false)
})

test('asks at ranges that are allowed, but never at those of no machine', () => {
  const guard = guardOf('127.0.0.0/8', '10.1.0.0/16', 'fd12::/16', '0.0.0.0/0', '::/0')
  expect(['127.0.0.1', '10.1.2.3', 'fd12::1'].every((address) => guard.allows(issuer, address))).toBe(true)
  expect(guard.allows(issuer, '169.254.169.254')).toBe(false)
  expect(guard.allows(issuer, 'fe80::1')).toBe(false)
  expect(guardOf('10.1.0.0/16').allows(issuer, '10.2.0.1')).toBe(false)
})

test('takes plain HTTP for names and addresses alone that are allowed', () => {
  expect(guardOf('*.svc.cluster.local').faultOf(keycloak)).toBeUndefined()
  expect(guardOf('10.0.0.0/8').faultOf(new URL('http://10.1.2.3/'))).toBeUndefined()
  expect(guardOf().faultOf(keycloak)).toBe("is not https://, and not allowed in the agent's configuration")
  expect(guardOf('*.svc.cluster.local').faultOf(new URL('http://svc.cluster.local/'))).toBe(
    "is not https://, and not allowed in the agent's configuration",
  )
  expect(guardOf().faultOf(new URL('https://anywhere.example/'))).toBeUndefined()
})

test.each(['ftp://issuer.example/', 'file:///etc/passwd', 'https://user:password@issuer.example/'])(
  'refuses %s',
  (url) => {
    expect(guardOf('issuer.example').faultOf(new URL(url))).toBeDefined()
  },
)

test.each([
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '*',
  '*.',
  'a b',
  'https://issuer.example',
  '10.0.0',
  '::/129',
  '',
])('takes no place that reads %j', (place) => {
  expect(allowedPlace.safeParse(place).success).toBe(false)
})
