/**
 * What a proxy tells its agent of one request or connection: texts in this order, as Envoy's operators give them ("-" is nothing), with a control
 * character between them. One text costs a proxy and the agent a fraction of what as many attributes do. Other values, or another order, are another version.
 */
export const accessRecordValues = [
  'version',
  'reporter',
  /** `http` or `tcp`. */
  'protocol',
  'durationUs',
  /** Where nothing was answered there is this alone. */
  'durationMs',
  'code',
  'flags',
  'receivedBytes',
  'sentBytes',
  'attempts',
  'grpcStatus',
  'details',
  'terminationDetails',
  'upstreamFailure',
  'downstreamFailure',
  'httpVersion',
  'method',
  'authority',
  'path',
  'userAgent',
  'forwardedFor',
  'requestId',
  'contentType',
  'serverName',
  'route',
  'upstreamHost',
  'gatewayHops',
  'remoteAddress',
  /** Of the EnvoyCluster; of the virtual host where there is none. */
  'service',
  'servicePort',
  'subset',
  'hostService',
  'hostServicePort',
  /** Of whom the reporting side has verified: the client where it is the destination, else the server. */
  'peerSubject',
  'peerUriNames',
  'peerDnsNames',
  'traceId',
  'traceSent',
  'traceReceived',
  /** The rule of an AUDIT policy that matched; of a dry run the rule that would have denied, and what its ALLOW policies would have said. */
  'auditRule',
  'trialDenyRule',
  'trialAllowResult',
] as const
export type AccessRecordValue = (typeof accessRecordValues)[number]

/** The one before it, of which proxies may still tell, ends before the last three values. */
export const accessRecordVersion = '2'
const previous = { version: '1', values: accessRecordValues.indexOf('auditRule') }
export const accessRecordSeparator = '\u001F'

export type AccessRecordTexts = Readonly<Record<AccessRecordValue, string>>

/**
 * Undefined: it is none, or one value holds the separator, which shifts those behind it. A value that a client has forged can so hide its own
 * record, but say nothing in another's place.
 */
export const splitAccessRecord = (text: string): AccessRecordTexts | undefined => {
  const values = text.split(accessRecordSeparator)
  const [version] = values
  const isCurrent = version === accessRecordVersion && values.length === accessRecordValues.length
  if (!isCurrent && (version !== previous.version || values.length !== previous.values)) return undefined
  const texts = new Texts(values)
  return hasGetters(texts) ? texts : undefined
}

/** Reads a value when it is asked for, by its place: an object with so many fields, made for each record, costs more than all else. */
class Texts {
  readonly values: readonly string[]

  constructor(values: readonly string[]) {
    this.values = values
  }
}
/** All of them are made at once, below. */
const hasGetters = (texts: Texts): texts is Texts & AccessRecordTexts => 'version' in texts

for (const [index, name] of accessRecordValues.entries())
  Object.defineProperty(Texts.prototype, name, {
    get(this: Texts) {
      const value = this.values[index]
      return value === undefined || value === '-' ? '' : value
    },
  })
