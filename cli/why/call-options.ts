import type { Command } from 'commander'
import { isIpAddress } from '#mesh/config/schema/host-names.ts'
import { isFields } from '#mesh/is-fields.ts'
import type { Call } from '#xds/explain/call.ts'
import { CliError } from '../cli-error.ts'

export interface CallOptions {
  readonly method?: string
  readonly header?: readonly string[]
  readonly claim?: readonly string[]
  readonly sourceIp?: string
}

/** What is to be said of a call beside where it goes. */
export const addCallOptions = (command: Command): Command =>
  command
    .option('--method <name>', 'of the request', 'GET')
    .option('--header <name=value...>', 'of the request')
    .option(
      '--claim <name=value...>',
      'of a right token that the request brings: sub=ann, groups=admins; several of a name are a list, realm[roles]=reader is inside of realm',
    )
    .option('--source-ip <address>', 'where the connection comes from, as the called proxy sees it')

type Claims = NonNullable<Call['claims']>

/** Claims of a token; undefined: none are said. Throws CliError `usage`. */
export const parseClaims = (texts: readonly string[] | undefined): Claims | undefined => {
  if (!texts) return undefined
  const claims: Claims = {}
  for (const text of texts) {
    const [, name = '', inner = '', value] = /^([^=[\]]+)((?:\[[^=[\]]+\])*)=(.*)$/s.exec(text) ?? []
    if (value === undefined)
      throw new CliError('usage', `--claim ${text} is no claim`, {
        remedy: 'It reads NAME=VALUE or NAME[INNER]=VALUE.',
      })
    const path = [name, ...[...inner.matchAll(/\[([^\]]+)\]/g)].map(([, key = '']) => key)]
    put(claims, path, value, text)
  }
  return claims
}

const put = (claims: Claims, [key = '', ...rest]: readonly string[], value: string, text: string): void => {
  const present = Object.hasOwn(claims, key) ? claims[key] : undefined
  if (rest.length === 0 && !isFields(present)) {
    claims[key] = present === undefined ? value : [...[present].flat(), value]
    return
  }
  if (rest.length === 0 || (present !== undefined && !isFields(present)))
    throw new CliError('usage', `--claim ${text}: ${key} is a text and has claims inside`, {
      remedy: 'Say one of them.',
    })
  const inside: Claims = present === undefined ? {} : { ...present }
  put(inside, rest, value, text)
  claims[key] = inside
}

export const parseSourceIp = (address: string | undefined): string | undefined => {
  if (address !== undefined && !isIpAddress(address))
    throw new CliError('usage', `--source-ip ${address} is no IP address`)
  return address
}
