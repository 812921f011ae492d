import { describe, expect, it } from 'vitest'
import { publishCaBundle } from '#agent/injection/publish-ca-bundle.ts'
import { SecretAuthorityStore } from '#agent/injection/secret-authority-store.ts'
import type { KubernetesRequest } from '#agent/kubernetes/kubernetes-client.ts'
import type { Secret } from '#agent/kubernetes/secret-record-store.ts'

const authority = { certificatePem: 'certificate', privateKeyPem: 'key', createdAt: 1 }

const createSecrets = () => {
  let kept: Secret | undefined
  let version = 0
  const keep = (secret: Secret): Secret =>
    (kept = { ...secret, metadata: { ...secret.metadata, resourceVersion: String((version += 1)) } })
  return {
    find: async () => kept,
    create: async (secret: Secret) => (kept ? undefined : keep(secret)),
    replace: async (secret: Secret) =>
      kept?.metadata.resourceVersion === secret.metadata.resourceVersion ? keep(secret) : undefined,
  }
}

describe('SecretAuthorityStore', () => {
  it('keeps what the first replica writes', async () => {
    const secrets = createSecrets()
    const [first, second] = [new SecretAuthorityStore(secrets), new SecretAuthorityStore(secrets)]
    expect([await first.read(), await second.read()]).toEqual([[], []])
    expect([await first.write([authority]), await second.write([])]).toEqual([true, false])
    expect(await second.read()).toEqual([authority])
    expect(await second.write([authority, authority])).toBe(true)
  })

  it('names a Secret that holds something else, and nothing of it', async () => {
    const secrets = createSecrets()
    await secrets.create({
      metadata: { name: 'atoll-injector', namespace: 'atoll-system' },
      data: { 'authorities.json': Buffer.from('hidden').toString('base64') },
    })
    const error = await new SecretAuthorityStore(secrets).read().catch(String)
    expect(error).toContain('Secret atoll-system/atoll-injector does not hold')
    expect(error).not.toContain('hidden')
  })
})

describe('publishCaBundle', () => {
  const publish = async (caBundles: readonly (string | undefined)[]) => {
    const requests: KubernetesRequest[] = []
    await publishCaBundle(
      {
        request: async (request) => {
          requests.push(request)
          return {
            metadata: { name: 'atoll-injector', resourceVersion: '7' },
            webhooks: caBundles.map((caBundle, index) => ({
              name: `w${index}`,
              clientConfig: { service: { name: 'atoll-agent' }, ...(caBundle !== undefined && { caBundle }) },
            })),
          }
        },
      },
      'new',
    )
    return requests
  }
  const encoded = Buffer.from('new').toString('base64')

  it('writes it into each webhook, and changes nothing else', async () => {
    const [, put] = await publish([undefined, encoded, 'b2xk'])
    expect(put).toMatchObject({
      method: 'PUT',
      body: {
        metadata: { resourceVersion: '7' },
        webhooks: ['w0', 'w1', 'w2'].map((name) => ({
          name,
          clientConfig: { service: { name: 'atoll-agent' }, caBundle: encoded },
        })),
      },
    })
  })

  it('writes nothing where it is', async () => {
    expect(await publish([encoded, encoded])).toHaveLength(1)
  })
})
