export const leftOut = '[left out]'

/** Text with what looks like a secret replaced, and how much of it there was. */
export interface Redacted {
  readonly text: string
  readonly count: number
}

const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s\\]*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g
/** The end of one whose beginning a log has no more. */
const endOfPrivateKey = /^(?:[A-Za-z0-9+/=]{16,}\r?\n){1,100}-----END [A-Z ]*PRIVATE KEY-----/gm
const ownToken = /\batoll_(?:join|token|machine|setup)_[\w-]+/g
const jsonWebToken = /\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g
const schemeAndCredential = /\b(Bearer|Basic)(\s+)[\w.~+/-]{8,}=*/gi
/** 32 bytes in base64, the form of keys. */
const rawKey = /(?<![\w+/=-])[A-Za-z0-9+/]{43}=(?!=)/g
const value = String.raw`("(?:[^"\\]|\\.)*"|(?![{[\s])[^\s,;&"'}\]]+)`
const credentialHeader = new RegExp(
  String.raw`\b((?:proxy-)?authorization|(?:set-)?cookie)("?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|(?![{[\s])[^\r\n"]+)`,
  'gi',
)
const namedSecret = new RegExp(
  String.raw`(password|passwd|secret|token|api[-_]?key|private[-_]?key|credential|kek)("?\s*[:=]\s*)${value}`,
  'gi',
)

/**
 * The second net of a support bundle: what is collected is chosen field by field, and should hold no secret. What people wrote into
 * free text (a log line, a header, the name of a thing) may. Better too much is left out than too little; JSON stays JSON.
 */
export const redact = (text: string): Redacted => {
  let count = 0
  const replace = (before: string, pattern: RegExp, by: (...groups: string[]) => string): string =>
    before.replaceAll(pattern, (...groups: string[]) => {
      const after = by(...groups)
      if (after !== groups[0]) count += 1
      return after
    })
  const named = (whole: string, name = '', separator = '', secret = ''): string =>
    /^(?:\d+|true|false|null)$/.test(secret) || secret === '""' ? whole : `${name}${separator}${toReplacement(secret)}`

  let safe = replace(text, privateKey, () => leftOut)
  safe = replace(safe, endOfPrivateKey, () => leftOut)
  safe = replace(safe, ownToken, () => leftOut)
  safe = replace(safe, jsonWebToken, () => leftOut)
  safe = replace(safe, schemeAndCredential, (_, scheme = '', space = '') => `${scheme}${space}${leftOut}`)
  safe = replace(safe, rawKey, () => leftOut)
  safe = replace(safe, credentialHeader, named)
  safe = replace(safe, namedSecret, named)
  return { text: safe, count }
}

const toReplacement = (secret: string): string => (secret.startsWith('"') ? `"${leftOut}"` : leftOut)
