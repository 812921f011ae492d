import { describe, expect, it } from 'vitest'
import { pathsOfProblems } from '#test/kinds/problems-of-spec.ts'

const route = [{ destination: { host: 'reviews' } }]
const inRoute = (fields: object) =>
  pathsOfProblems('VirtualService', { hosts: ['reviews'], http: [{ route, ...fields }] }).map((path) =>
    path.replace('spec.http[0].', ''),
  )

describe('faults', () => {
  it.each<[string, object, string[]]>([
    ['of both kinds', { delay: { fixedDelay: '5s', percentage: { value: 0.1 } }, abort: { httpStatus: 503 } }, []],
    ['by name of gRPC', { abort: { grpcStatus: 'NOT_FOUND', percentage: { value: 100 } } }, []],
    ['with no percentage at all', { abort: { httpStatus: 503, percentage: {} } }, []],
    ['the least percentage', { abort: { httpStatus: 503, percentage: { value: 0.0001 } } }, []],
    [
      'the old percentage',
      { delay: { fixedDelay: '1s', percent: 5, percentage: { value: 5 } } },
      ['warning fault.delay.percent'],
    ],
    ['a delay of no length', { delay: { percentage: { value: 1 } } }, ['warning fault.delay']],
    ['an abort without a status', { abort: { percentage: { value: 1 } } }, ['warning fault.abort']],
    ['nothing', {}, ['invalid fault']],
    ['too small a percentage', { abort: { percentage: { value: 0.00001 } } }, ['invalid fault.abort.percentage.value']],
    ['too large a percentage', { delay: { percentage: { value: 100.5 } } }, ['invalid fault.delay.percentage.value']],
    [
      'a percentage below zero',
      { delay: { fixedDelay: '1s', percentage: { value: -1 } } },
      ['invalid fault.delay.percentage.value'],
    ],
    ['a delay of zero', { delay: { fixedDelay: '0s' } }, ['invalid fault.delay.fixedDelay']],
    ['parts of milliseconds', { delay: { fixedDelay: '100us' } }, ['invalid fault.delay.fixedDelay']],
    ['a growing delay', { delay: { exponentialDelay: '1s' } }, ['unsupported fault.delay.exponentialDelay']],
    ['a status that is none', { abort: { httpStatus: 199 } }, ['invalid fault.abort.httpStatus']],
    ['a status that Envoy does not have', { abort: { httpStatus: 600 } }, ['unsupported fault.abort.httpStatus']],
    ['a number as the status of gRPC', { abort: { grpcStatus: '14' } }, ['invalid fault.abort.grpcStatus']],
    ['a status in lower case', { abort: { grpcStatus: 'unavailable' } }, ['invalid fault.abort.grpcStatus']],
    ['two statuses', { abort: { httpStatus: 503, grpcStatus: 'OK' } }, ['invalid fault.abort']],
    ['an error of HTTP/2', { abort: { http2Error: 'x' } }, ['unsupported fault.abort.http2Error']],
  ])('%s', (_, fault, expected) => expect(inRoute({ fault })).toEqual(expected))

  it.each([{ redirect: { uri: '/' } }, { directResponse: { status: 200 } }])('are for routes, not %j', (action) =>
    expect(inRoute({ route: undefined, ...action, fault: { abort: { httpStatus: 503 } } })).toEqual(['invalid fault']),
  )
})

describe('CORS', () => {
  it.each<[string, object, string[]]>([
    ['nothing', {}, []],
    [
      'everything',
      {
        allowOrigins: [{ exact: 'https://a.example' }, { prefix: 'https://b' }, { regex: 'https://.*' }],
        allowOrigin: ['*'],
        allowMethods: ['GET', '*'],
        allowHeaders: ['*', 'x-a'],
        exposeHeaders: ['x-b'],
        maxAge: '24h',
        allowCredentials: true,
        unmatchedPreflights: 'IGNORE',
      },
      [],
    ],
    ['an origin without a form', { allowOrigins: [{}] }, ['invalid corsPolicy.allowOrigins[0]']],
    ['an empty origin', { allowOrigins: [{ exact: '' }] }, ['invalid corsPolicy.allowOrigins[0]']],
    ['an origin in two forms', { allowOrigins: [{ exact: 'a', prefix: 'a' }] }, ['invalid corsPolicy.allowOrigins[0]']],
    [
      'an origin that is no expression',
      { allowOrigins: [{ regex: '*' }] },
      ['invalid corsPolicy.allowOrigins[0].regex'],
    ],
    ['a method that is none', { allowMethods: ['get'] }, ['invalid corsPolicy.allowMethods[0]']],
    ['a header that is none', { allowHeaders: ['a b'] }, ['invalid corsPolicy.allowHeaders[0]']],
    ['a header without a name', { exposeHeaders: [''] }, ['invalid corsPolicy.exposeHeaders[0]']],
    ['an age in milliseconds', { maxAge: '1500ms' }, ['invalid corsPolicy.maxAge']],
    ['an age of nothing', { maxAge: '0s' }, ['invalid corsPolicy.maxAge']],
    ['other ways with preflights', { unmatchedPreflights: 'DROP' }, ['invalid corsPolicy.unmatchedPreflights']],
  ])('%s', (_, corsPolicy, expected) => expect(inRoute({ corsPolicy })).toEqual(expected))
})

describe('mirrors', () => {
  const mirror = { host: 'a', subset: 'v1', port: { number: 80 } }
  it.each<[string, object, string[]]>([
    ['one', { mirror, mirrorPercentage: { value: 0.5 } }, []],
    ['several', { mirrors: [{ destination: mirror }, { destination: mirror, percentage: { value: 0 } }] }, []],
    ['the old percentage', { mirror, mirrorPercent: 5 }, ['warning mirrorPercent']],
    ['its older spelling', { mirror, mirror_percent: 5 }, ['warning mirror_percent']],
    ['both spellings', { mirror, mirrorPercent: 5, mirror_percent: 5 }, ['invalid mirror_percent']],
    ['one and several', { mirror, mirrors: [{ destination: mirror }] }, ['invalid spec.http[0]']],
    ['one without a destination', { mirrors: [{}] }, ['invalid mirrors[0].destination']],
    ['all hosts', { mirror: { host: '*' } }, ['invalid mirror.host']],
    ['more than all', { mirror, mirrorPercentage: { value: 101 } }, ['invalid mirrorPercentage.value']],
    ['less than none', { mirror, mirrorPercentage: { value: -1 } }, ['invalid mirrorPercentage.value']],
    ['more than all, the old way', { mirror, mirrorPercent: 101 }, ['invalid mirrorPercent']],
    [
      'more than all of several',
      { mirrors: [{ destination: mirror, percentage: { value: 101 } }] },
      ['invalid mirrors[0].percentage.value'],
    ],
  ])('%s', (_, fields, expected) => expect(inRoute(fields)).toEqual(expected))
})

describe('retries', () => {
  it.each<[string, object, string[]]>([
    ['none', { attempts: 0 }, []],
    ['nothing said', {}, []],
    ['none, but how', { attempts: 0, backoff: '1s', retryIgnorePreviousHosts: true }, []],
    [
      'everything',
      {
        attempts: 3,
        perTryTimeout: '1ms',
        retryOn: '5xx,503,cancelled,retriable-status-codes',
        backoff: '25ms',
        retryIgnorePreviousHosts: false,
        retryRemoteLocalities: true,
      },
      [],
    ],
    ['a locality without attempts', { retryRemoteLocalities: false }, ['invalid retries']],
    ['a timeout without attempts', { perTryTimeout: '1s' }, ['invalid retries']],
    ['spaces between conditions', { attempts: 1, retryOn: '5xx, reset' }, ['invalid retries.retryOn']],
    ['a code that nobody registered', { attempts: 1, retryOn: '499' }, ['invalid retries.retryOn']],
    ['an empty condition', { attempts: 1, retryOn: '5xx,' }, ['invalid retries.retryOn']],
    ['no time between', { attempts: 1, backoff: '0s' }, ['invalid retries.backoff']],
  ])('%s', (_, retries, expected) => expect(inRoute({ retries })).toEqual(expected))
})

it.each<[string, object, string[]]>([
  ['a redirect to a derived port alone', { redirect: { derivePort: 'FROM_REQUEST_PORT' } }, []],
  ['a fixed answer of a mebibyte', { directResponse: { status: 200, body: { string: 'a'.repeat(1_048_576) } } }, []],
  [
    'a longer one',
    { directResponse: { status: 200, body: { string: `${'a'.repeat(1_048_575)}é` } } },
    ['invalid directResponse.body'],
  ],
  ['a status that Envoy does not have', { directResponse: { status: 600 } }, ['unsupported directResponse.status']],
])('%s', (_, action, expected) => expect(inRoute({ route: undefined, ...action })).toEqual(expected))
