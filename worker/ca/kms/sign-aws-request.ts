import { toHex, toUtf8 } from '../../encode-bytes.ts'

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of credentials for a while. */
  readonly sessionToken?: string | undefined
}

interface AwsRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  readonly region: string
  readonly service: string
}

const sha256 = async (text: string): Promise<string> =>
  toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', toUtf8(text))))

const hmac = async (key: Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array<ArrayBuffer>> => {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, toUtf8(text)))
}

/** The headers of a POST that AWS knows its sender by: Signature Version 4. Query strings are not signed, for there are none. */
export const signAwsRequest = async (
  { url, headers, body, region, service }: AwsRequest,
  { accessKeyId, secretAccessKey, sessionToken }: AwsCredentials,
  nowMs: number,
): Promise<Record<string, string>> => {
  const { host, pathname } = new URL(url)
  const time = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
  const day = time.slice(0, 8)
  const named = {
    ...headers,
    host,
    'x-amz-date': time,
    ...(sessionToken !== undefined && { 'x-amz-security-token': sessionToken }),
  }
  const sorted = Object.entries(named).toSorted(([left], [right]) => (left < right ? -1 : 1))
  const signedHeaders = sorted.map(([name]) => name).join(';')
  const canonical = [
    'POST',
    pathname,
    '',
    ...sorted.map(([name, value]) => `${name}:${value.trim()}`),
    '',
    signedHeaders,
  ]
  const scope = `${day}/${region}/${service}/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', time, scope, await sha256([...canonical, await sha256(body)].join('\n'))].join(
    '\n',
  )
  let key = toUtf8(`AWS4${secretAccessKey}`)
  for (const part of [day, region, service, 'aws4_request']) key = await hmac(key, part)
  const signature = toHex(await hmac(key, toSign))
  const { host: _host, ...sent } = named
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`
  return { ...sent, authorization }
}
