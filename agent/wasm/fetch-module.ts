import type { RegistryLogin } from '#agent/credentials/parse-registry-logins.ts'
import { FetchError, type Fetching } from '#agent/outside/fetch-bytes.ts'
import { createGet } from '#agent/outside/follow-redirects.ts'
import type { ModuleSource } from '#mesh/wasm/module-source.ts'
import { fetchImage } from './fetch-image.ts'
import { maxModuleBytes } from './module-limits.ts'
import { toDigest } from './to-digest.ts'
import { unpackModule } from './unpack-module.ts'

export interface FetchedModule {
  readonly code: Buffer
  /** SHA-256 of the code. */
  readonly digest: string
}

/** Fetches a module, of an image by the login if there is one, and verifies that it is the one that is meant. Throws an error whose message is for people. */
export const fetchModule = async (
  { place, sha256 }: ModuleSource,
  login: RegistryLogin | undefined,
  fetching: Fetching,
): Promise<FetchedModule> => {
  const get = createGet(fetching)
  if (place.kind === 'image') {
    const code = await fetchImage(place, sha256, login, get)
    return { code, digest: toDigest(code) }
  }
  const { body } = await get(new URL(place.url), { accept: 'application/wasm, */*' }, { maxBytes: maxModuleBytes })
  const code = await unpackModule(body)
  const digest = toDigest(code)
  if (sha256 !== undefined && digest !== sha256) throw new FetchError(`is another module: its sha256 is ${digest}`)
  return { code, digest }
}
