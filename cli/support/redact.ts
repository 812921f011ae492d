export const leftOut = '[left out]'

/** Text with what looks like a secret replaced, and how much of it there was. */
export interface Redacted {
  readonly text: string
  readonly count: number
}

const keyLabel = '[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----'
/** One that ends, whatever headers it has (RFC 1421), and one that is cut off. */
const privateKey = new RegExp(
  String.raw`-----BEGIN ${keyLabel}(?:(?:[^"-]|-(?!----))*-----END ${keyLabel}|[A-Za-z0-9+/=\s\\]*)`,
  'g',
)
/** The end of one whose beginning a log has no more; its line breaks may be JSON's. */
const endOfPrivateKey = new RegExp(
  String.raw`(?:^|(?<=["\s]|\\n))(?:[A-Za-z0-9+/=]+(?:\r?\n|\\n)){1,100}-----END ${keyLabel}`,
  'gm',
)
/** PEM in base64 once more, as in a Kubernetes Secret; certificates ("-----BEGIN C…") stay. */
const encodedPem = /LS0tLS1CRUdJTiB(?!D)[A-Za-z0-9+/]+=*/g
const ownToken = /atoll_(?:join|token|machine|setup)_[\w-]+/g
const jsonWebToken = /(?<=^|[^\w-]|\\[nrt])eyJ[\w-]{8,}(?:\.[\w-]*){2,4}/gm
/** Keys of clouds and code hosts that say what they are. */
const knownToken =
  /AIza[\w-]{30,}|\bA(?:KI|SI)A[A-Z0-9]{16}\b|\bgh[oprsu]_\w{30,}|\bgithub_pat_\w{30,}|\bxox[a-z]-[\w-]{10,}|\b[rs]k_live_\w{16,}/g
const schemeAndCredential = /(Bearer|Basic)(\s+)[\w.~+/-]{8,}=*/gi
/** Who asks, in front of a URL's host; JSON may have escaped the slashes. */
const userInfo = /(:\\*\/\\*\/)[^\s/?#"'\\<>]+@/g
/** 32 bytes in base64, the form of keys. */
const rawKey = /(?<=^|[^\w+/=-]|\\[nrt])[A-Za-z0-9+/]{43}=(?!=)/gm

/** Of a string of JSON that is itself in strings of JSON, `escapes` backslashes before each of its quotes: the quote and what follows. */
const toJsonString = (escapes: number): string => {
  const backslash = String.raw`\\{${escapes + 1}}`
  const quote = String.raw`\\{${escapes}}"`
  return String.raw`(?<!\\)${quote}[^"\\\r\n]*(?:${backslash}(?:[^"\\\r\n]|${quote}|${backslash})[^"\\\r\n]*)*`
}
/** Where the text around it ends first, a string has been cut off there. */
const string = [
  String.raw`(?<!\\)"[^"\\]*(?:\\[^][^"\\]*)*"`,
  String.raw`${toJsonString(0)}(?![^\r\n])`,
  String.raw`${toJsonString(1)}(?:\\")?`,
  String.raw`${toJsonString(3)}(?:\\{3}")?`,
  String.raw`'[^'\\\r\n]*(?:\\.[^'\\\r\n]*)*'?`,
].join('|')
const list = String.raw`\[\s*(?:${string})(?:\s*,\s*(?:${string}))*(?:\s*\])?`
const goList = String.raw`\[[^\]"'{}\r\n]+\]`
/** A backslash before a quote belongs to the quote. */
const toWord = (except: string): string => String.raw`(?![{[\s])(?:[^"\\${except}]|\\+[^"\\${except}])+`
/**
 * Between a name and its value: `: `, `=`, `=>`, in quotes `", "` (Envoy's logs, lists of headers), and what a list of names and values
 * has there.
 */
const separator = String.raw`(\\*["']?\s*(?:[:=]>?|>)\s*|\\*["']\s*,\s*(?:\\*["']?value\\*["']?\s*:\s*)?)`

const credentialHeader = new RegExp(
  String.raw`((?:proxy-)?authorization|(?:set-)?cookie2?)${separator}(${string}|${list}|${goList}|${toWord(String.raw`\r\n`)})`,
  'gi',
)
const secretName = String.raw`password|passwd|pwd|passphrase|secret|token|(?:api|access|account|auth|encryption|private|shared|signing)[-_]?key|credential|kek`
const word = toWord(String.raw`\s,;&'}\]<`)
const namedSecret = new RegExp(String.raw`((?:${secretName})s?)${separator}(${string}|${list}|${goList}|${word})`, 'gi')
const secretOption = new RegExp(String.raw`(--?[\w-]*(?:${secretName}))([ \t]+)(?!-)(${string}|${word})`, 'gi')
/** Names that are as good as any elsewhere. */
const secretParameter =
  /([?&](?:key|sig|signature|auth|code|jwt|sid|session|sessionid|assertion|x-amz-\w+)=)[^\s&"'\\<>#]+/gi

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
  const keepFirst = (_: string, first = ''): string => `${first}${leftOut}`

  let safe = replace(text, privateKey, () => leftOut)
  safe = replace(safe, endOfPrivateKey, () => leftOut)
  safe = replace(safe, encodedPem, () => leftOut)
  safe = replace(safe, ownToken, () => leftOut)
  safe = replace(safe, jsonWebToken, () => leftOut)
  safe = replace(safe, knownToken, () => leftOut)
  safe = replace(safe, schemeAndCredential, (_, scheme = '', space = '') => `${scheme}${space}${leftOut}`)
  safe = replace(safe, userInfo, (_, scheme = '') => `${scheme}${leftOut}@`)
  safe = replace(safe, rawKey, () => leftOut)
  safe = replace(safe, credentialHeader, replaceNamed)
  safe = replace(safe, namedSecret, replaceNamed)
  safe = replace(safe, secretOption, replaceNamed)
  safe = replace(safe, secretParameter, keepFirst)
  return { text: safe, count }
}

const isNumber = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i

const replaceNamed = (whole: string, name = '', between = '', secret = ''): string => {
  if (/^(?:true|false|null|(?:\\*")+|'')$/.test(secret)) return whole
  if (!isNumber.test(secret)) return `${name}${between}${toReplacement(secret)}`
  // What counts tokens is no secret; a number as a password is one, and JSON has it without quotes.
  if (!/^pass|^pwd/i.test(name)) return whole
  return `${name}${between}${between.includes('"') ? `"${leftOut}"` : leftOut}`
}

const toReplacement = (secret: string): string => {
  const [, opening = '', quote = ''] = /^(\[\s*(?=\\*["']))?(\\*["'])?/.exec(secret) ?? []
  const inner = opening === '' ? secret : secret.slice(opening.length).replace(/\s*\]$/, '')
  const closing = inner.length > quote.length && inner.endsWith(quote) ? quote : ''
  return `${opening}${quote}${leftOut}${closing}${opening !== '' && secret.endsWith(']') ? ']' : ''}`
}
