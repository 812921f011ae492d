import { describe, expect, test } from 'vitest'
import type { PlaneMessage } from '#mesh/uplink.ts'
import { configChange } from '../state-items.ts'
import { ScriptedUplink } from './scripted-uplink.ts'
import { delta, liveUplink, snapshot } from './uplink-fixture.ts'

describe('the handshake', () => {
  test('answers the challenge with a signed hello that names the held position, and acknowledges what it applies', () => {
    const scripted = new ScriptedUplink()
    scripted.open()
    expect(scripted.heard()).toEqual([])
    scripted.say({ type: 'challenge', nonce: 'n', protocol: 7, capabilities: ['later'] })
    expect(scripted.heard()).toMatchObject([
      { type: 'hello', mesh: 'demo', cluster: 'east', replica: 'east-1', protocol: 1, position: null },
    ])
    scripted.reconnect()
    scripted.greet()
    scripted.heard()
    scripted.say(snapshot(4, configChange('a')))
    expect(scripted.heard()).toContainEqual({ type: 'ack', position: { epoch: 'e1', sequence: 4 } })
    expect(scripted.uplink.status).toMatchObject({ live: true, revision: 4, failures: 1 })
    scripted.reconnect()
    scripted.open()
    scripted.say({ type: 'challenge', nonce: 'n', protocol: 1, capabilities: [] })
    expect(scripted.heard()).toMatchObject([{ position: { epoch: 'e1', sequence: 4 } }])
  })

  test.each([
    ['text that is no JSON', 'hello?'],
    ['a message of no known type', '{"type":"surprise"}'],
    ['a message with a field of the wrong type', '{"type":"challenge","nonce":5,"protocol":1,"capabilities":[]}'],
    ['a message out of order', JSON.stringify(snapshot(1))],
    [
      'a message that is too long',
      `{"type":"challenge","nonce":"${'x'.repeat(600_000)}","protocol":1,"capabilities":[]}`,
    ],
    [
      'a second kind of greeting',
      '{"type":"welcome","session":"s","epoch":"e","sync":"resume","reporter":{"term":0,"replica":null,"connected":false},"reported":null}',
    ],
  ])('ends on %s, and tries again later', (_what, text) => {
    const scripted = new ScriptedUplink()
    scripted.open()
    scripted.sayText(text)
    expect(scripted.connected).toBe(false)
    expect(scripted.uplink.status.lastFailure).toBeDefined()
    expect(scripted.waitForConnection()).toBeGreaterThan(0)
  })

  test('a plane that accepts the connection and says nothing is given up on', () => {
    const scripted = new ScriptedUplink()
    scripted.open()
    scripted.clock.advance(10_000)
    expect(scripted.connected).toBe(false)
  })

  test('waits longer after each failure, and as long as the plane asks for', () => {
    const scripted = new ScriptedUplink()
    const waited: number[] = []
    for (let attempt = 0; attempt < 9; attempt += 1) {
      scripted.cut()
      waited.push(scripted.waitForConnection())
    }
    expect(waited).toEqual(waited.toSorted((left, right) => left - right))
    expect(waited[0]).toBeLessThan(1000)
    expect(waited.at(-1)).toBeGreaterThan(10_000)
    expect(waited.at(-1)).toBeLessThan(31_000)
    scripted.open()
    scripted.say({ type: 'refused', code: 'rate_limited', message: 'slower', retryAfterSeconds: 120 })
    scripted.clock.advance(119_000)
    expect(scripted.connected).toBe(false)
    scripted.clock.advance(2000)
    expect(scripted.connected).toBe(true)
  })

  test.each(['unknown_cluster', 'evicted', 'bad_signature', 'protocol_too_new', 'too_large'] as const)(
    'refused as %s, it keeps all that it has',
    (code) => {
      const scripted = liveUplink()
      scripted.reconnect()
      scripted.open()
      scripted.say({ type: 'refused', code, message: 'no' })
      expect(scripted.connected).toBe(false)
      expect(scripted.replica.items.size).toBe(1)
      expect(scripted.steps).toHaveLength(1)
      // The next attempt will most likely meet it again.
      expect(scripted.waitForConnection()).toBeGreaterThan(10_000)
    },
  )

  test('what it was refused as is remembered while the plane is away, until it is taken again', () => {
    const scripted = liveUplink()
    const refusal = () => scripted.uplink.status.refusal
    scripted.reconnect()
    scripted.open()
    scripted.say({ type: 'refused', code: 'evicted', message: 'the cluster east is out of the mesh' })
    expect(refusal()).toBe('evicted')
    scripted.waitForConnection()
    scripted.cut()
    expect(refusal()).toBe('evicted')
    scripted.waitForConnection()
    scripted.greet({ sync: 'resume' })
    expect(scripted.uplink.status).toMatchObject({ live: true, refusal: undefined })
    scripted.cut()
    expect(refusal()).toBeUndefined()
  })
})

describe('in step with the plane', () => {
  test('a batch counts when its last chunk is here, and one that is cut off not at all', () => {
    const scripted = liveUplink()
    scripted.say(delta(2, true, configChange('b')))
    scripted.say({ type: 'query', request: 'q', query: { kind: 'proxies' } })
    expect(scripted.replica.items.size).toBe(1)
    expect(scripted.heard()).toMatchObject([{ type: 'answer', request: 'q', ok: true, part: '[]', more: false }])
    scripted.say(delta(2, false, configChange('c')))
    expect(scripted.replica.items.size).toBe(3)
    expect(scripted.heard()).toMatchObject([{ type: 'ack', position: { sequence: 2 } }])
    scripted.say(delta(3, true, configChange('d')))
    scripted.reconnect()
    scripted.greet({ sync: 'resume' })
    scripted.say(delta(4, false, configChange('e')))
    expect([...scripted.replica.items.keys()].join()).not.toContain('/d')
  })

  test('changes of another history than the plane said end the session', () => {
    const scripted = liveUplink()
    scripted.say({ ...delta(9, false, configChange('b')), position: { epoch: 'other', sequence: 9 } } as PlaneMessage)
    expect(scripted.connected).toBe(false)
    expect(scripted.replica.items.size).toBe(1)
  })

  test('asks whether the plane is there after a quiet time, and gives a half-open connection up', () => {
    const scripted = liveUplink()
    scripted.clock.advance(15_000)
    expect(scripted.heardPing()).toBe(true)
    scripted.sayText('pong')
    scripted.clock.advance(15_000)
    expect(scripted.connections).toBe(1)
    scripted.clock.advance(11_000)
    expect(scripted.connections).toBe(2)
    expect(scripted.uplink.status).toMatchObject({ live: false, failures: 0 })
  })

  test('data of a plane that is quiet and there are of now; of one that is gone, of when it was last heard', () => {
    const scripted = liveUplink()
    scripted.clock.advance(10_000)
    expect(scripted.uplink.status.asOf).toBe(scripted.clock.now())
    scripted.sayText('pong')
    const heardAt = scripted.clock.now()
    scripted.clock.advance(5000)
    scripted.cut()
    scripted.clock.advance(500_000)
    expect(scripted.uplink.status.asOf).toBe(heardAt)
  })

  test('delivery goes out soon after the first change, then at most once a second, and the latest counts', () => {
    const scripted = liveUplink()
    scripted.clock.advance(1000)
    scripted.heard()
    const deliveries = () => scripted.heard().filter(({ type }) => type === 'delivery')
    for (let change = 0; change < 100; change += 1) scripted.uplink.deliveryChanged()
    scripted.clock.advance(50)
    expect(deliveries()).toHaveLength(1)
    for (let change = 0; change < 9; change += 1) {
      scripted.uplink.deliveryChanged()
      scripted.clock.advance(100)
    }
    expect(deliveries()).toHaveLength(0)
    scripted.clock.advance(100)
    expect(deliveries()).toHaveLength(1)
  })

  test('a connection that takes nothing is not written to; what waits is one state and not its history', () => {
    const scripted = liveUplink()
    scripted.clock.advance(1000)
    scripted.heard()
    scripted.bufferedBytes = 1024 * 1024
    for (let change = 0; change < 100; change += 1) {
      scripted.uplink.setProbes([])
      scripted.uplink.deliveryChanged()
    }
    scripted.clock.advance(3000)
    expect(scripted.heard()).toEqual([])
    scripted.bufferedBytes = 0
    scripted.sayText('pong')
    scripted.say(delta(2, false))
    expect(scripted.heard().map(({ type }) => type)).toEqual(['ack', 'delivery', 'probes'])
  })

  test('answers queries for what there is not, and no more at once than it can keep', () => {
    const scripted = liveUplink()
    scripted.say({ type: 'query', request: 'q', query: { kind: 'proxy-config', proxy: 'nobody' } })
    expect(scripted.heard()).toMatchObject([{ type: 'answer', ok: false }])
    scripted.bufferedBytes = 1024 * 1024
    for (let query = 0; query < 20; query += 1)
      scripted.say({ type: 'query', request: `q${query}`, query: { kind: 'proxies' } })
    scripted.bufferedBytes = 0
    scripted.say(delta(2, false))
    expect(scripted.heard().filter(({ type }) => type === 'answer')).toHaveLength(8)
  })

  test('a token for telemetry is handed on, each time that there is another', () => {
    const scripted = liveUplink()
    const expiresAt = '2026-01-01T00:00:00Z'
    for (const token of ['first', 'second']) scripted.say({ type: 'telemetry-token', token, expiresAt })
    expect(scripted.telemetryTokens).toEqual([undefined, 'first', 'second'])
  })

  test('a certificate request is repeated on the next session and settled by its answer', async () => {
    const scripted = liveUplink()
    const issued = scripted.uplink.requestCertificate('csr')
    const [asked] = scripted.heard()
    scripted.reconnect()
    scripted.greet({ sync: 'resume' })
    expect(scripted.heard()).toContainEqual(asked)
    const request = asked?.type === 'csr' ? asked.request : ''
    scripted.say({ type: 'issued', request, certificatePem: 'pem', rootsPem: [] })
    await expect(issued).resolves.toMatchObject({ certificatePem: 'pem' })
    const refused = scripted.uplink.requestCertificate('csr')
    const [again] = scripted.heard()
    scripted.say({
      type: 'refused',
      code: 'csr_refused',
      message: 'no',
      request: again?.type === 'csr' ? again.request : '',
    })
    await expect(refused).rejects.toThrow(/csr_refused/)
    expect(scripted.connected).toBe(true)
  })
})
