import { z } from 'zod'
import { dockerHub } from '#mesh/config/schema/module-url.ts'
import { pullSecretKey } from '#mesh/kubernetes/pull-secrets.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { err, ok, type Result } from '#mesh/result.ts'

/** How some repositories are signed in to. Never in logs or reports. */
export interface RegistryLogin {
  /** "host" or "host:port". */
  readonly registry: string
  /** Of which repositories: the path that they begin with; "" = all. */
  readonly path: string
  readonly user: string
  readonly password: string
}

/** Docker's config.json: `auth` is "<user>:<password>" in Base64. */
const configuration = z.object({
  auths: z.record(
    z.string(),
    z.object({
      auth: z.string().optional(),
      username: z.string().optional(),
      password: z.string().optional(),
    }),
  ),
})

/** What is wrong is told without what it says. Of what has no password, such as an identity token, there is none. */
export const parseRegistryLogins = (
  values: Readonly<Record<string, string>>,
): Result<readonly RegistryLogin[], string> => {
  const parsed = configuration.safeParse(parseJson(values[pullSecretKey] ?? ''))
  if (!parsed.success) return err(`its ${pullSecretKey} is not {"auths": {"<registry>": {"auth": "…"}}}`)
  return ok(
    Object.entries(parsed.data.auths).flatMap(([place, entry]): RegistryLogin[] => {
      const decoded = Buffer.from(entry.auth ?? '', 'base64').toString()
      const colon = decoded.indexOf(':')
      const user = entry.username ?? decoded.slice(0, Math.max(colon, 0))
      const password = entry.password ?? (colon < 0 ? '' : decoded.slice(colon + 1))
      return user === '' || password === '' ? [] : [{ ...parsePlace(place), user, password }]
    }),
  )
}

/** The login of a repository, of those for it the one that says most; undefined = there is none. */
export const findRegistryLogin = (
  logins: readonly RegistryLogin[],
  { registry, repository }: { readonly registry: string; readonly repository: string },
): RegistryLogin | undefined =>
  logins
    .filter((login) => login.registry === registry.toLowerCase() && isBelow(repository, login.path))
    .toSorted((one, other) => other.path.length - one.path.length)[0]

const isBelow = (repository: string, path: string): boolean =>
  path === '' || repository === path || repository.startsWith(`${path}/`)

/** As Docker writes them: "https://registry.example/v1/", "registry.example:5000", "registry.example/team". */
const parsePlace = (text: string): Pick<RegistryLogin, 'registry' | 'path'> => {
  const [host = '', ...path] = text.replace(/^https?:\/\//i, '').split('/')
  const registry = host.toLowerCase()
  return {
    registry: registry === 'docker.io' || registry === 'index.docker.io' ? dockerHub : registry,
    path: path.join('/').replace(/^v[12]\/?$|\/$/, ''),
  }
}
