import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isUntrusted } from '#cli/certificate-trouble.ts'
import { probePlane } from '#cli/fetch-plane.ts'
import { readPlaneCa } from '#cli/kubernetes/plane-ca-option.ts'
import { writeServerCertificate } from '#test/harness/server-certificate.ts'
import type { ServerCertificate } from '#test/harness/server-certificate.ts'

let folder: string
let certificate: ServerCertificate
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-plane-ca-'))
  certificate = await writeServerCertificate(folder, '127.0.0.1')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const write = async (name: string, text: string): Promise<string> => {
  const file = join(folder, name)
  await writeFile(file, text)
  return file
}

describe('the file of --plane-ca', () => {
  it('is taken as it is when it has an authority among others, or a certificate that vouches for itself', async () => {
    const own = await readFile(certificate.file, 'utf8')
    expect(readPlaneCa(certificate.file)).toBe(own)
    const two = `# ours\n${own}${rootCertificates[0]}\n`
    expect(readPlaneCa(await write('two.pem', two))).toBe(two)
  })

  it('is refused when nothing in it can vouch', async () => {
    const broken = await write('broken.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    expect(() => readPlaneCa(certificate.keyFile)).toThrow(`--plane-ca ${certificate.keyFile} has no certificate`)
    expect(() => readPlaneCa(broken)).toThrow('has a certificate that cannot be read')
    expect(() => readPlaneCa(join(folder, 'absent'))).toThrow(/--plane-ca .*absent cannot be read: no such file/)
  })
})

describe('a probe of the plane', () => {
  it('believes the authorities that it is given, and no other', async () => {
    const [cert, key] = await Promise.all([readFile(certificate.file, 'utf8'), readFile(certificate.keyFile, 'utf8')])
    const server = createServer({ cert, key }, (_, response) => response.writeHead(200, { a: 'b' }).end('hello'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/healthz`
    try {
      const answer = await probePlane(url, [cert])
      expect({ status: answer.status, a: answer.headers.get('a'), text: await answer.text() }).toEqual({
        status: 200,
        a: 'b',
        text: 'hello',
      })
      const error: unknown = await probePlane(url, rootCertificates).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(Error)
      expect(isUntrusted(error)).toBe(true)
    } finally {
      server.close()
    }
  })
})
