import type { Attribute, AttributeValue } from '../otlp/otlp.ts'

const MAX_TEXT_CHARS = 8_192
const MAX_ATTRIBUTES = 64
const MAX_KEY_CHARS = 256
const MAX_VALUE_CHARS = 4_096
const MAX_EVENTS_CHARS = 65_536
const MAX_FUTURE_US = 5 * 60 * 1_000_000
const DAY_US = 24 * 60 * 60 * 1_000_000

const cut = (text: string, chars: number): string =>
  text.length <= chars ? text : `${text.slice(0, chars - 1).replace(/[\uD800-\uDBFF]$/, '')}…`

/** Any text, as it may be stored: whole characters, and no more of them. What it says stays data, whatever it is. */
export const boundText = (value: AttributeValue): string => cut(String(value).toWellFormed(), MAX_TEXT_CHARS)

export const boundInteger = (value: AttributeValue): number | undefined => {
  const number = typeof value === 'number' ? value : /^-?\d{1,16}$/.test(value) ? Number(value) : undefined
  return Number.isSafeInteger(number) ? number : undefined
}

export const boundHex = (value: AttributeValue, digits: number): string | undefined => {
  const text = String(value).toLowerCase()
  return text.length === digits && /^[0-9a-f]*[1-9a-f][0-9a-f]*$/.test(text) ? text : undefined
}

/** As JSON; undefined when there are none. Of too many the first stay. */
export const boundAttributes = (attributes: readonly Attribute[]): string | undefined =>
  attributes.length === 0
    ? undefined
    : JSON.stringify(
        Object.fromEntries(
          attributes
            .slice(0, MAX_ATTRIBUTES)
            .map(([key, value]) => [
              cut(key.toWellFormed(), MAX_KEY_CHARS),
              cut(String(value).toWellFormed(), MAX_VALUE_CHARS),
            ]),
        ),
      )

/** JSON that is too long is left out whole: half of it is none. */
export const boundEvents = (json: string): string =>
  json.length <= MAX_EVENTS_CHARS ? json.toWellFormed() : '{"omitted":true}'

export interface BoundTime {
  readonly timeUs: number
  /** What the sender said, where that can't be: it is kept under the time of its arrival. */
  readonly toldUs: number | undefined
}

/** A time that a clock may show. Of what is older than what is kept, or of the future, the clock is wrong. */
export const boundTime = (timeUs: number, nowMs: number, days: number): BoundTime => {
  const nowUs = nowMs * 1000
  return timeUs > nowUs + MAX_FUTURE_US || timeUs < nowUs - days * DAY_US
    ? { timeUs: nowUs, toldUs: timeUs }
    : { timeUs, toldUs: undefined }
}

/** The attribute that says what time a sender told, where it could not be. */
export const TOLD_TIME = 'atoll.told_time'

export const toToldTime = (toldUs: number): string => {
  const date = new Date(toldUs / 1000)
  return Number.isNaN(date.getTime()) ? String(toldUs) : date.toISOString()
}
