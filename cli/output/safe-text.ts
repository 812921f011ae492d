/** A colour of ours; then control characters and those that turn the direction of text around. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const dangerous = /\u001B\[\d{1,2}m|[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u2028-\u202E\u2066-\u2069]/g

/** All that does something to a terminal instead of being shown; and what ends lines. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const active = /[\u0000-\u001F\u007F-\u009F\u2028-\u202E\u2066-\u2069]/g

/** What JSON and YAML leave as it is in texts, though a terminal does something about it. */
export const unescaped = /[\u007F-\u009F\u2028-\u202E\u2066-\u2069]/g

/** A value as JSON that can be shown on a terminal: the same to programs. */
export const toSafeJson = (value: unknown, indent?: number): string =>
  JSON.stringify(value, undefined, indent).replaceAll(unescaped, toEscape)

/** A value from elsewhere as one word in a line of ours: nothing in it starts a line, or passes for a colour of ours. */
export const toSafeWord = (value: string): string => value.replaceAll(active, toEscape)

export const toEscape = (found: string): string => {
  const short = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }[found]
  return short ?? `\\u${(found.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
}

/** Text from elsewhere, fit for a terminal: characters that could rewrite the screen become visible; colours stay. */
export const toSafeText = (text: string): string =>
  text.replaceAll(dangerous, (found) => (found.length > 1 ? found : toEscape(found)))
