import type { Call } from '#xds/explain/call.ts'
import { CliError } from '../cli-error.ts'
import { parseClaims, parseSourceIp, type CallOptions } from './call-options.ts'

const schemes = ['http', 'https', 'tls', 'tcp'] as const

/** Reads "reviews.shop:9080" or "http://reviews.shop:9080/reviews/1?x=y". Throws CliError `usage`. */
export const parseCall = (text: string, { method, header = [], claim, sourceIp }: CallOptions): Call => {
  const [, name] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text) ?? []
  const scheme = schemes.find((each) => each === name?.toLowerCase())
  if (name !== undefined && scheme === undefined) throw toFault(text, `has the scheme ${name}`)
  // What URL knows of the web's schemes, such as their ports, is not to count for others.
  const url = `x${name === undefined ? '://' : ''}${name === undefined ? text : text.slice(name.length)}`
  if (!URL.canParse(url)) throw toFault(text, 'is no host')
  const { hostname, port, pathname, search, username } = new URL(url)
  if (hostname === '' || username !== '') throw toFault(text, 'is no host')
  return {
    host: decodeURIComponent(hostname)
      .replace(/^\[|\]$/g, '')
      .toLowerCase(),
    port: port === '' ? undefined : Number(port),
    scheme,
    method: (method ?? 'GET').toUpperCase(),
    path: `${pathname === '' ? '/' : pathname}${search}`,
    headers: Object.fromEntries(header.map(parseHeader)),
    claims: parseClaims(claim),
    sourceAddress: parseSourceIp(sourceIp),
  }
}

/** "x-user=a" or "x-user: a". */
const parseHeader = (text: string): readonly [string, string] => {
  const [, name, value = ''] = /^([!#$%&'*+.^_`|~0-9a-zA-Z-]+)\s*[=:]\s*(.*)$/.exec(text) ?? []
  if (name === undefined)
    throw new CliError('usage', `--header ${text} is no header`, { remedy: 'It reads NAME=VALUE.' })
  return [name.toLowerCase(), value]
}

const toFault = (text: string, fault: string): CliError =>
  new CliError('usage', `${text} ${fault}`, {
    remedy: `It reads HOST, HOST:PORT or a URL with one of ${schemes.map((each) => `${each}://`).join(', ')}.`,
  })

/** A call as a person reads it. */
export const toCallText = ({ scheme, host, port, path, method, headers }: Call): string => {
  const address = `${scheme === undefined ? '' : `${scheme}://`}${host}${port === undefined ? '' : `:${port}`}`
  const others = Object.entries(headers).map(([name, value]) => `${name}=${value}`)
  return scheme === 'tcp' || scheme === 'tls' ? address : [`${method} ${address}${path}`, ...others].join(' ')
}
