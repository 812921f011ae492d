import { InvalidArgumentError, Option, type Command } from 'commander'
import { CliError } from '../cli-error.ts'
import { parseDurationSeconds } from '../duration.ts'

export interface PeriodOptions {
  readonly since?: number
  readonly from?: string
  readonly to?: string
}

/** Options that say of what time. */
export const addPeriod = (command: Command): Command =>
  command
    .addOption(
      new Option('--since <duration>', 'only the last while, such as 15m')
        .argParser(parseDurationSeconds)
        .conflicts('from'),
    )
    .option('--from <time>', 'not before, RFC 3339; without a zone in UTC', parseMoment)
    .option('--to <time>', 'not after, in the same way', parseEnd)

const momentPattern = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.(\d+))?)?( ?(?:Z|[+-]\d{2}:?\d{2}))?)?$/i

/** A time to the microsecond. `rest`: of one that is said to the millisecond, as tables show it, the microseconds. */
const toMoment = (text: string, rest: string): string => {
  const match = momentPattern.exec(text)
  const [, fraction = '', zone] = match ?? []
  const time = Date.parse(zone === undefined && text.includes(':') ? `${text}Z` : text)
  if (match === null || Number.isNaN(time)) throw new InvalidArgumentError('It reads like 2026-11-29T12:00:00Z.')
  const microseconds = fraction.length === 3 ? rest : fraction.slice(3, 6).padEnd(3, '0')
  return new Date(time).toISOString().replace('Z', `${microseconds}Z`)
}

const parseMoment = (text: string): string => toMoment(text, '000')

/** Includes what a table shows with this time. */
const parseEnd = (text: string): string => toMoment(text, '999')

/** The same for the API. */
export const toPeriod = ({ since, from, to }: PeriodOptions, now: number) => {
  const start = since === undefined ? from : new Date(now - since * 1000).toISOString()
  if (start !== undefined && to !== undefined && Date.parse(start) > Date.parse(to))
    throw new CliError('usage', `${since === undefined ? '--from' : '--since'} is later than --to`)
  return { ...(start !== undefined && { from: start }), ...(to !== undefined && { to }) }
}

/** "250ms", "2s" → milliseconds. */
export const parseMilliseconds = (text: string): number => {
  const [, count = '', unit = 'ms'] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s)?$/.exec(text) ?? []
  if (count === '') throw new InvalidArgumentError('It reads like 250ms or 2s.')
  return Number(count) * (unit === 's' ? 1000 : 1)
}
