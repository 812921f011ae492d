/** A colour of ours; then control characters and those that turn the direction of text around. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const dangerous = /\u001B\[\d{1,2}m|[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]/g

/** Text from elsewhere, fit for a terminal: characters that could rewrite the screen become visible; colours stay. */
export const toSafeText = (text: string): string =>
  text.replaceAll(dangerous, (found) =>
    found.length > 1 ? found : `\\u${(found.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  )
