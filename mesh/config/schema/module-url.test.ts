import { expect, test } from 'vitest'
import { parseModuleUrl } from './module-url.ts'

const digest = 'a'.repeat(64)
const image = { kind: 'image', registry: 'r.example', repository: 'a/b', tag: undefined, digest: undefined }

test.each([
  ['https://a.example/x.wasm?v=1', { kind: 'http', url: 'https://a.example/x.wasm?v=1' }],
  ['oci://r.example/a/b:v1', { ...image, tag: 'v1' }],
  ['r.example/a/b', { ...image, tag: 'latest' }],
  [`oci://r.example/a/b@sha256:${digest}`, { ...image, digest }],
  [`r.example:5000/a/b:v1@sha256:${digest}`, { ...image, registry: 'r.example:5000', tag: 'v1', digest }],
  ['localhost/x', { ...image, registry: 'localhost', repository: 'x', tag: 'latest' }],
  ['me/filter:1', { ...image, registry: 'registry-1.docker.io', repository: 'me/filter', tag: '1' }],
  ['docker.io/filter', { ...image, registry: 'registry-1.docker.io', repository: 'library/filter', tag: 'latest' }],
])('%s', (text, place) => expect(parseModuleUrl(text)).toEqual(place))

test.each([
  ['file:///opt/a.wasm', /is a file of a proxy/],
  ['ftp://a.example/x', /must be of one of http/],
  ['https://', /is not a URL/],
  ['https://ann:pw@a.example/x', /holds a user name/],
  ['oci://r.example/UPPER', /is not an image/],
  ['oci://r.example/a:b:c', /is not an image/],
  ['oci://r.example/a@sha512:1', /no digest/],
])('%s is refused', (text, reason) => expect(parseModuleUrl(text)).toMatch(reason))
