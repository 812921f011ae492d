import { InvalidArgumentError, Option } from 'commander'

const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** "90s", "5m", "2h", "30d" → seconds. Throws commander's usage error for anything else. */
export const parseDurationSeconds = (text: string): number => {
  const match = /^(\d{1,9})([smhd])$/.exec(text)
  const [, count = '', unit = ''] = match ?? []
  const seconds = unitSeconds[unit]
  if (seconds === undefined) throw new InvalidArgumentError('It reads like 90s, 5m, 2h or 30d.')
  return Number(count) * seconds
}

/** An option in seconds, whose default is shown as a person would write it, as is the least and the most that it can be. */
export const durationOption = (
  flags: string,
  description: string,
  defaultText: string,
  { least, most }: { readonly least?: string; readonly most?: string } = {},
): Option =>
  new Option(flags, description)
    .argParser((text) => {
      const seconds = parseDurationSeconds(text)
      if (least !== undefined && seconds < parseDurationSeconds(least))
        throw new InvalidArgumentError(`It is at least ${least}.`)
      if (most !== undefined && seconds > parseDurationSeconds(most))
        throw new InvalidArgumentError(`It is at most ${most}.`)
      return seconds
    })
    .default(parseDurationSeconds(defaultText), defaultText)

/** How long ago or ahead, in the largest unit that says enough: "45s", "12m", "3h", "90d". */
export const toRoughDuration = (milliseconds: number): string => {
  const seconds = Math.round(Math.abs(milliseconds) / 1000)
  if (seconds < 120) return `${seconds}s`
  if (seconds < 120 * 60) return `${Math.round(seconds / 60)}m`
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)}h`
  return `${Math.round(seconds / 86_400)}d`
}
