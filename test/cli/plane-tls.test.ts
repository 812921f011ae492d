import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Child } from '#test/harness/child.ts'
import { writeServerCertificate, type ServerCertificate } from '#test/harness/server-certificate.ts'
import { freePort, toPlaneProgram, World } from '#test/harness/world.ts'

let folder: string
let world: World
let certificate: ServerCertificate
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-plane-tls-'))
  world = await World.create(folder)
  certificate = await writeServerCertificate(folder, '127.0.0.1')
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
      ...toPlaneProgram({ data: join(folder, 'plane'), host: '127.0.0.1', port, certificate }),
    })
    try {
      await plane.waitForLine(new RegExp(`https://127.0.0.1:${port}`))
      const ca = await readFile(certificate.file)
      const body = await new Promise<string>((resolve, reject) => {
        get(`https://127.0.0.1:${port}/healthz`, { ca }, (response) => resolve(text(response))).on('error', reject)
      })
      expect(JSON.parse(body)).toMatchObject({ status: 'ok' })
    } finally {
      await plane.stop()
    }
  })

  it('wants both files, readable, and of one pair', async () => {
    expect(await refused('--tls-certificate', certificate.file)).toMatchObject({
      code: 2,
      output: expect.stringContaining('--tls-key'),
    })
    expect(await refused('--tls-certificate', join(folder, 'absent'), '--tls-key', certificate.keyFile)).toMatchObject({
      code: 2,
      output: expect.stringContaining('absent cannot be read'),
    })
    expect(await refused('--tls-certificate', certificate.keyFile, '--tls-key', certificate.file)).toMatchObject({
      code: 2,
      output: expect.stringContaining('are not a certificate and its key'),
    })
  })
})
