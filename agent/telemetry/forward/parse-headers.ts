/** A field's name is a token (RFC 9110 §5.1), its value has no control characters (§5.5). */
const header = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e]*)$/

/** "<name>: <value>" a line, "#" before what is none. What is told of a line that is wrong is its number: the file is secret. */
export const parseHeaders = (text: string, file: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    text.split(/\r?\n/).flatMap((line, index) => {
      if (line.trim() === '' || line.startsWith('#')) return []
      const [, name, value = ''] = header.exec(line) ?? []
      if (name === undefined) throw new Error(`line ${index + 1} of ${file} is no header`)
      return [[name.toLowerCase(), value.trim()]]
    }),
  )
