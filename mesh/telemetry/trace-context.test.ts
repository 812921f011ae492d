import { describe, expect, test } from 'vitest'
import { parseTraceContext } from './trace-context.ts'

const trace = '0af7651916cd43dd8448eb211c80319c'
const [own, parent, other] = ['b7ad6b7169203331', '00f067aa0ba902b7', 'a2fb4a1d1a96d312'] as const
const w3c = (span: string, flags: string, id = trace) => `00-${id}-${span}-${flags}`

describe('the place of a request in its trace', () => {
  test.each([
    ['at its beginning', w3c(own, '01'), '   -', { spanId: own, isSampled: true }],
    ['at its beginning, not sampled', w3c(own, '00'), '', { spanId: own, isSampled: false }],
    ['below W3C', w3c(own, '00'), `${w3c(parent, '00')}  -`, { spanId: own, parentSpanId: parent, isSampled: false }],
    [
      'below B3 in one header',
      w3c(own, '01'),
      ` ${trace}-${parent}-1-${other} -`,
      { spanId: own, parentSpanId: parent, isSampled: true },
    ],
    [
      'below B3 in several',
      w3c(own, '01'),
      `  ${trace}-${parent}`,
      { spanId: own, parentSpanId: parent, isSampled: true },
    ],
    [
      'below what it has gone on with',
      w3c(own, '03'),
      `${w3c(other, '00', 'f'.repeat(32))}  ${trace}-${parent}-1`,
      { spanId: own, parentSpanId: parent, isSampled: true },
    ],
    ['that never went on', w3c(parent, '01'), `${w3c(parent, '01')}  -`, { parentSpanId: parent, isSampled: true }],
    ['of B3 that never went on', '-', `  ${trace}-${parent}-0`, { parentSpanId: parent, isSampled: false }],
    ['that begins and never went on', '-', '   -', {}],
    ['after what is none', 'no trace', `00-${trace}-x ${'f'.repeat(64)}-${parent}`, {}],
  ])('%s', (_, sent, received, expected) => {
    expect(parseTraceContext({ traceId: trace, sent, received })).toEqual({ traceId: trace, ...expected })
  })

  test('is of 128 bits, also where B3 has 64', () => {
    const short = parent.toUpperCase()
    expect(
      parseTraceContext({
        traceId: short,
        sent: w3c(own, '00', parent.padStart(32, '0')),
        received: `  ${short}-${other}`,
      }),
    ).toEqual({ traceId: parent.padStart(32, '0'), spanId: own, parentSpanId: other, isSampled: false })
  })

  test.each(['', '-', '12', `${trace}x`])('is nowhere with the trace "%s"', (traceId) => {
    expect(parseTraceContext({ traceId, sent: w3c(own, '01'), received: '' })).toBeUndefined()
  })

  test('is told by what was sent on where the tracer itself does not tell, and only where there is one', () => {
    const sent = w3c(own, '01')
    expect(parseTraceContext({ traceId: '-', sent, received: '  --' })).toMatchObject({ traceId: trace, spanId: own })
    expect(parseTraceContext({ traceId: '-', sent, received: '-' })).toBeUndefined()
  })
})
