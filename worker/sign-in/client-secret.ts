import { deriveOrgKek, isSealedWith, openBytes, sealBytes } from '../ca/sealed-key.ts'
import type { OrgKek, SealedPlace } from '../ca/sealed-key.ts'
import { toUtf8 } from '../encode-bytes.ts'
import { replaceClientSecret } from '../directory/sign-in.ts'
import type { StoredProvider } from '../directory/sign-in.ts'
import { randomBytes } from '../random-bytes.ts'

/** Client secrets of the orgs' identity providers, sealed as the roots' keys are: with the org's key-encryption key. */

type ProviderName = Pick<StoredProvider, 'orgId' | 'issuer' | 'clientId'>

/** One org's secret for one client is good for no other. */
const placeOf = ({ orgId, issuer, clientId }: ProviderName): SealedPlace => ({
  what: 'client secret of the identity provider',
  parts: ['client secret', JSON.stringify([orgId, issuer, clientId])],
})

interface Secrets {
  readonly ATOLL_KEK?: string | undefined
  readonly ATOLL_KEK_PREVIOUS?: string | undefined
}

const kekOf = ({ ATOLL_KEK, ATOLL_KEK_PREVIOUS }: Secrets, { orgId }: ProviderName): Promise<OrgKek> =>
  deriveOrgKek(ATOLL_KEK, orgId, ATOLL_KEK_PREVIOUS)

export const sealClientSecret = async (secrets: Secrets, name: ProviderName, secret: string): Promise<string> =>
  sealBytes(await kekOf(secrets, name), placeOf(name), toUtf8(secret), randomBytes)

/** @throws Error when it was sealed with a secret of the plane that is not there. */
export const openClientSecret = async (secrets: Secrets, name: ProviderName, sealed: string): Promise<string> =>
  new TextDecoder().decode(await openBytes(await kekOf(secrets, name), placeOf(name), sealed))

/** Seals it with the current key-encryption key, unless it is; one that somebody sets meanwhile stays as it is. */
export const resealClientSecret = async (
  env: Secrets & Pick<Cloudflare.Env, 'DB'>,
  provider: StoredProvider,
): Promise<void> => {
  const { clientSecret: sealed, orgId } = provider
  const kek = await kekOf(env, provider)
  if (sealed === null || isSealedWith(kek.current.id, sealed)) return
  const place = placeOf(provider)
  const again = await sealBytes(kek, place, await openBytes(kek, place, sealed), randomBytes)
  await replaceClientSecret(env.DB, orgId, sealed, { clientSecret: again, kekId: kek.current.id })
}
