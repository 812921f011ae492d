import { InvalidArgumentError } from 'commander'

/** In whichever case: it is stored in lower. */
export const parseTraceId = (text: string): string => {
  if (!/^[0-9a-f]{32}$/i.test(text)) throw new InvalidArgumentError('It has 32 hexadecimal digits.')
  return text.toLowerCase()
}

export const parseCode = (text: string): string => {
  if (!/^(\d{1,3}|[1-5]xx)$/i.test(text)) throw new InvalidArgumentError('It reads like 503 or 5xx.')
  return text.toLowerCase()
}

/** Methods and response flags are in upper case, whatever one types. */
export const parseUpperCase = (text: string): string => text.toUpperCase()
