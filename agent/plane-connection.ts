import { readFileSync } from 'node:fs'
import type { Agent } from 'node:http'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { AgentError } from './agent-error.ts'

/** How this agent reaches the plane: what `ws` and `node:https` take as it is. */
export interface PlaneConnection {
  /** "https://host[:port]", without a slash at the end. */
  readonly url: string
  readonly ca?: string
  readonly agent?: Agent
}

export interface PlaneConnectionSettings {
  readonly plane: string
  readonly planeCaFile?: string | undefined
  readonly proxyUrl?: string | undefined
}

/** Follows HTTPS_PROXY, HTTP_PROXY and NO_PROXY unless `proxyUrl` is set. Throws AgentError `bad_config` when the CA file or the proxy's URL is not usable. */
export const toPlaneConnection = (
  settings: PlaneConnectionSettings,
  environment: Readonly<Record<string, string | undefined>>,
): PlaneConnection => {
  const ca = settings.planeCaFile === undefined ? undefined : readCa(settings.planeCaFile)
  const proxy = settings.proxyUrl ?? toProxyUrl(new URL(settings.plane), environment)
  return {
    url: settings.plane,
    ...(ca === undefined ? {} : { ca }),
    ...(proxy === undefined ? {} : { agent: toProxyAgent(proxy, ca) }),
  }
}

/** Neither the error nor its cause says the URL: it may hold a password. */
const toProxyAgent = (proxy: string, ca: string | undefined): Agent => {
  if (!URL.canParse(proxy) || !/^https?:$/.test(new URL(proxy).protocol))
    throw new AgentError('bad_config', 'the HTTP proxy is not an http:// or https:// URL')
  return new HttpsProxyAgent(proxy, ca === undefined ? {} : { ca })
}

/** The proxy that the environment demands for a URL, by curl's rules: lower case wins, NO_PROXY lists names, their suffixes, or "*". */
export const toProxyUrl = (url: URL, environment: Readonly<Record<string, string | undefined>>): string | undefined => {
  const read = (name: string): string | undefined => environment[name.toLowerCase()] || environment[name] || undefined
  const proxy = url.protocol === 'https:' ? read('HTTPS_PROXY') : environment['http_proxy'] || undefined
  const excluded = (read('NO_PROXY') ?? '').split(',').map((entry) =>
    entry
      .trim()
      .toLowerCase()
      .replace(/^\*?\./, ''),
  )
  const direct = excluded.some((entry) => {
    const [host, port] = entry.split(':')
    if (!host || (port !== undefined && port !== url.port)) return false
    return host === '*' || url.hostname === host || url.hostname.endsWith(`.${host}`)
  })
  return direct ? undefined : proxy
}

/** A file in PEM. Throws AgentError `bad_config` when it is not usable. */
export const readCa = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new AgentError('bad_config', `the CA file ${file} can't be read`, { cause: error })
  }
}
