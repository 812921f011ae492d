import type { KnownClient } from '#xds/model/admission.ts'

/** Who is let in, by a Secret of clients. Never in logs or reports, but for their names. */
export interface Clients {
  readonly known: readonly KnownClient[]
  /** What of the Secret lets nobody in, and why; without keys. */
  readonly faults: readonly string[]
}

type Values = Readonly<Record<string, string>>

/** What a header can hold, and a cookie too (RFC 6265). */
const keyForm = /^[!#-+\--:<-[\]-~]+$/

/** Each entry's lines are a client's keys: there are two while one is replaced by another. */
export const parseApiKeys = (values: Values): Clients => {
  const faults: string[] = []
  const found = Object.entries(values).flatMap(([client, text]) => {
    const keys = toLines(text).map(({ line }) => line)
    if (keys.length === 0) faults.push(`client ${client} has no key`)
    return keys.flatMap((proof): KnownClient[] => {
      if (keyForm.test(proof)) return [{ client, proof }]
      faults.push(`client ${client} has a key with characters that can not be sent, such as blanks, commas and quotes`)
      return []
    })
  })
  const owners = Map.groupBy(found, ({ proof }) => proof)
  const known = [...owners.values()].flatMap((same): readonly KnownClient[] => {
    const clients = [...new Set(same.map(({ client }) => client))]
    if (clients.length === 1) return same.slice(0, 1)
    faults.push(`clients ${clients.join(', ')} have the same key, which is nobody's`)
    return []
  })
  return { known, faults }
}

/** SHA-1 in Base64, as htpasswd -s writes it. */
const shaForm = /^\{SHA\}[A-Za-z0-9+/]{27}=$/
/** What can go on in a header, of a line that names a user. */
const userForm = /^[!-9;-~]+$/

/** Each entry is a file of htpasswd, of hashes that Envoy verifies: SHA-1 alone. */
export const parseUsers = (values: Values): Clients => {
  const faults: string[] = []
  const found = Object.entries(values).flatMap(([file, text]) =>
    toLines(text).flatMap(({ line, number }): KnownClient[] => {
      if (line.startsWith('#')) return []
      const colon = line.indexOf(':')
      const [client, proof] = [line.slice(0, colon), line.slice(colon + 1)]
      if (colon < 1 || !userForm.test(client)) {
        // It may be a password.
        faults.push(`line ${number} of ${file} is not <user>:<hash>`)
        return []
      }
      if (shaForm.test(proof)) return [{ client, proof }]
      faults.push(
        `user ${client} has a password that is not hashed with SHA-1, and proxies know no other hash: write it with htpasswd -s`,
      )
      return []
    }),
  )
  const known = [...Map.groupBy(found, ({ client }) => client)].flatMap(([client, same]): readonly KnownClient[] => {
    if (same.length === 1) return same
    faults.push(`user ${client} is there ${same.length} times, and has no password`)
    return []
  })
  return { known, faults }
}

/** Those that are not empty. */
const toLines = (text: string): readonly { readonly line: string; readonly number: number }[] =>
  text
    .split('\n')
    .map((line, index) => ({ line: line.replace(/\r$/, ''), number: index + 1 }))
    .filter(({ line }) => line !== '')
