import { describe, expect, test } from 'vitest'
import { evaluateQuery } from './evaluate.ts'
import { toLabelTest } from './labels.ts'
import { parseQuery, parseSelector } from './parse-query.ts'
import { toCounterSeries, toSampledSeries } from './series.ts'
import { toInstantData, toRangeData } from './to-response.ts'

/** That what is answered is what Prometheus answers: test/agent/promql/prometheus.test.ts. */
describe('a query', () => {
  test.each([
    ['deriv(x[5m])', 'the function deriv is not supported'],
    ['histogram_fraction(0, 1, x)', 'the function histogram_fraction is not supported'],
    ['count_values("a", x)', 'the aggregation count_values is not supported'],
    ['x[5m:1m]', 'subqueries are not supported (at 1)'],
    ['x @ 5', '@ is not supported (at 1)'],
    ['rate(x)', 'argument 1 of rate is to be a range vector, not an instant vector'],
    ['rate(sum(x)[5m])', 'a range is of a selector (at 6)'],
    ['clamp(x)', 'clamp takes 3 arguments, not 1'],
    ['round(x, "a")', 'argument 2 of round is to be a number, not a text'],
    ['topk(x)', 'topk takes a number, and an instant vector'],
    ['sum(1)', 'what sum aggregates is to be an instant vector, not a number'],
    ['x[5m] + 1', '+ does not take a range vector'],
    ['1 > 2', 'a comparison of numbers takes bool'],
    ['1 and x', 'both sides of and are to be instant vectors'],
    ['x + bool y', 'bool is for comparisons'],
    ['x{a=~"("}', '"(" is not a regular expression of RE2 (at 6)'],
    ['{a=~".*"}', 'the empty text does not match'],
    ['sum(x', 'the query ends too early (at 6)'],
    ['nope(x)', 'the query is not understood from "(x)" on'],
    ['', 'the query ends too early'],
    [`${'('.repeat(101)}1${')'.repeat(101)}`, 'nested deeper'],
  ])('is refused: %s', (query, message) => {
    expect(() => parseQuery(query)).toThrow(message)
  })

  test('reads texts and numbers as Go writes them', () => {
    expect(
      parseSelector(String.raw`x{a="\"\u00e9\x41\n", b='\'', c=${'`\\d`'}}`).matchers.map(({ value }) => value),
    ).toEqual(['x', '"éA\n', "'", String.raw`\d`])
    const evaluated = evaluateQuery(parseQuery('1h30m + 0x10'), { startMs: 0, endMs: 0, stepMs: 1 }, () => [])
    expect(toInstantData(evaluated)).toEqual({ resultType: 'scalar', result: [0, '5416'] })
  })

  test('answers of a counter that is kept by its changes what it answers of all its samples', () => {
    const [stepMs, sinceMs, untilMs] = [10_000, 100_000, 800_000]
    const changes = { times: [130_000, 140_000, 300_000, 310_000, 620_000], values: [5, 8, 9, 109, 110] }
    const kept = toCounterSeries(new Map([['__name__', 'x']]), { stepMs, sinceMs, untilMs }, changes)
    const all = toSampledSeries(kept.labels, kept.window(0, Infinity))
    expect(kept.window(0, Infinity).times).toHaveLength(71)
    const range = { startMs: 0, endMs: 1_200_000, stepMs: 7000 }
    for (const query of ['x', 'delta(x[95s])', 'irate(x[1m])', 'count_over_time(x[3m])', 'resets(x[1h])']) {
      const [ofKept, ofAll] = [kept, all].map((series) =>
        toRangeData(evaluateQuery(parseQuery(query), range, () => [series])),
      )
      expect([query, ofKept]).toEqual([query, ofAll])
    }
  })

  test('of how much a counter grew is exact from the beginning of the range, also where it begins in it', () => {
    const grid = { stepMs: 10_000, sinceMs: 0, untilMs: 100_000 }
    const toSeries = (name: string, ...counted: readonly (readonly [seconds: number, value: number])[]) =>
      toCounterSeries(new Map([['a', name]]), grid, {
        times: counted.map(([seconds]) => seconds * 1000),
        values: counted.map(([, value]) => value),
      })
    const steady = toSeries('steady', ...Array.from({ length: 10 }, (_, index) => [index * 10, index * 7] as const))
    const series = [steady, toSeries('begins', [60, 5], [80, 30]), toSeries('burst', [10, 3], [50, 100])]
    const at = (seconds: number, query: string) => {
      const [startMs, endMs] = [seconds * 1000, seconds * 1000]
      const data = toInstantData(evaluateQuery(parseQuery(query), { startMs, endMs, stepMs: 1 }, () => series))
      return data.resultType === 'vector' ? data.result.map(({ value }) => Number(value[1])) : []
    }
    expect(at(90, 'increase(x[1m])')).toEqual([42, 30, 97])
    expect(at(90, 'rate(x[1m])')).toEqual([0.7, 0.5, 97 / 60])
    // Between the samples, and where the last ones are not there yet, it goes on as in the range.
    expect(at(85, 'increase(x[45s])')).toEqual([31.5, 33.75, (97 / 40) * 45].map((value) => expect.closeTo(value)))
    expect(at(110, 'increase(x[1m])')[1]).toBeCloseTo(36)
    for (const seconds of [83, 90, 97, 104])
      expect(at(seconds, 'sum(rate(x[1m]))')[0]).toBeCloseTo(at(seconds, 'rate(x[1m])').reduce((a, b) => a + b))
  })

  test('that would take too much time or memory is refused, whatever it is made of', () => {
    const series = Array.from({ length: 60 }, (_, index) =>
      toCounterSeries(
        new Map([['a', String(index)]]),
        { stepMs: 10_000, sinceMs: 0, untilMs: 80_000_000 },
        { times: [0], values: [1] },
      ),
    )
    const ask = (query: string, steps: number) => () =>
      evaluateQuery(parseQuery(query), { startMs: 80_000_000, endMs: 80_000_000 + steps - 1, stepMs: 1 }, () => series)
    expect(ask('sum_over_time(x[20h])', 100)).toThrow('the query looks at too many samples')
    expect(ask(Array.from({ length: 40 }, () => 'x').join(' or '), 5000)).toThrow('too many parts')
    expect(ask('x * on () group_left x', 2000)).toThrow('several series')
    const apart = Array.from({ length: 60 }, (_, index) =>
      toSampledSeries(new Map([['a', String(index)]]), { times: [index * 400_000], values: [1] }),
    )
    expect(() =>
      evaluateQuery(
        parseQuery('x * on () group_left x'),
        { startMs: 0, endMs: 24_000_000, stepMs: 10_000 },
        () => apart,
      ),
    ).toThrow('series at 2401 steps are too many')
  })

  test('that would be too much is refused', () => {
    const series = Array.from({ length: 500 }, (_, index) =>
      toSampledSeries(new Map([['a', String(index)]]), { times: [1], values: [1] }),
    )
    const ask = (endMs: number) => () => evaluateQuery(parseQuery('x'), { startMs: 0, endMs, stepMs: 1 }, () => series)
    expect(ask(10_000)).toThrow('500 series at 10001 steps are too many')
    expect(ask(11_000)).toThrow('11001 steps are more than 11000')
  })

  test('has regular expressions that take little for each text, but lists of texts', () => {
    const names = Array.from({ length: 1000 }, (_, index) => `reviews-v${index}`).join('|')
    const [matcher] = parseSelector(`{a=~"${names}"}`).matchers
    const matches = toLabelTest(matcher ? [matcher] : [])
    expect(['reviews-v999', 'reviews-v', '', names].map((text) => matches(new Map([['a', text]])))).toEqual([
      true,
      false,
      false,
      false,
    ])
    expect(parseSelector(`{a=~"(${names.slice(0, 1000)}).*"}`).matchers).toHaveLength(1)
    const hostile = 'a=~"((a{0,30}){0,30}|b)+"'
    expect(() => parseSelector(`x{${hostile}}`)).not.toThrow()
    expect(() => parseSelector(`x{${hostile},${hostile}}`)).toThrow('the regular expressions of the query are too')
  })

  test('tries a hostile regular expression in linear time', () => {
    const matches = toLabelTest([{ label: 'a', operator: '=~', value: '(a*)*b' }])
    expect(matches(new Map([['a', 'a'.repeat(5000)]]))).toBe(false)
  })
})
