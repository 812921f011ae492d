import { InvalidArgumentError } from 'commander'

/** A whole number from the command line; commander's usage error for anything else. */
export const parseWholeNumber = (text: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It is a whole number.')
  return Number(text)
}

/** How many at most are wanted. */
export const parseLimit = (text: string): number => {
  const limit = parseWholeNumber(text)
  if (limit === 0) throw new InvalidArgumentError('It is at least 1.')
  return limit
}

export const parsePort = (text: string): number => {
  const port = parseWholeNumber(text)
  if (port > 65_535) throw new InvalidArgumentError('A port is at most 65535.')
  return port
}
