import 'reflect-metadata'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Child } from '#test/harness/child.ts'
import { freePort, World } from '#test/harness/world.ts'

const program = join(import.meta.dirname, '../../cli/main.ts')

let folder: string
let world: World
let certificate: string
let certificateFile: string
let keyFile: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-plane-tls-'))
  world = await World.create(folder)
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const generated = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=plane',
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
    extensions: [new SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
  })
  certificate = generated.toString('pem')
  certificateFile = join(folder, 'plane.pem')
  keyFile = join(folder, 'plane-key.pem')
  await writeFile(certificateFile, certificate)
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  await writeFile(keyFile, PemConverter.encode(pkcs8, 'PRIVATE KEY'), { mode: 0o600 })
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const refused = async (...args: readonly string[]) => {
  const { code, output } = await world.atoll(['plane', 'serve', '--data', join(folder, 'none'), ...args], {
    allowFailure: true,
  })
  return { code, output }
}

describe('atoll plane serve with a certificate', () => {
  it('serves HTTPS', async () => {
    const port = await freePort()
    const plane = new Child({
      name: 'plane',
      command: process.execPath,
      args: [
        program,
        'plane',
        'serve',
        '--data',
        join(folder, 'plane'),
        '--port',
        String(port),
        '--tls-certificate',
        certificateFile,
        '--tls-key',
        keyFile,
      ],
    })
    try {
      await plane.waitForLine(new RegExp(`https://127.0.0.1:${port}`))
      const body = await new Promise<string>((resolve, reject) => {
        get(`https://127.0.0.1:${port}/healthz`, { ca: certificate }, (response) => resolve(text(response))).on(
          'error',
          reject,
        )
      })
      expect(JSON.parse(body)).toMatchObject({ status: 'ok' })
    } finally {
      await plane.stop()
    }
  })

  it('wants both files, readable, and of one pair', async () => {
    expect(await refused('--tls-certificate', certificateFile)).toMatchObject({
      code: 2,
      output: expect.stringContaining('--tls-key'),
    })
    expect(await refused('--tls-certificate', join(folder, 'absent'), '--tls-key', keyFile)).toMatchObject({
      code: 2,
      output: expect.stringContaining('absent cannot be read'),
    })
    expect(await refused('--tls-certificate', keyFile, '--tls-key', certificateFile)).toMatchObject({
      code: 2,
      output: expect.stringContaining('are not a certificate and its key'),
    })
  })
})
