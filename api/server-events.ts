/** One of the server's events (HTML standard: "Server-sent events"). */
export interface ServerEvent {
  /** "message" where it names none. */
  readonly event: string
  readonly data: string
}

/** Longer than any event of ours: what is longer is somebody else's, and is not kept. */
const maxPending = 4 * 1024 * 1024

/** The events of a stream, wherever it is cut into pieces. Comments and what is not ended are passed over. */
export async function* parseServerEvents(chunks: AsyncIterable<string>): AsyncIterable<ServerEvent> {
  let pending = ''
  for await (const chunk of chunks) {
    pending += chunk
    const blocks = pending.split(/\r?\n\r?\n/)
    pending = blocks.pop() ?? ''
    if (pending.length > maxPending) throw new Error('an event of the stream is too long')
    for (const block of blocks) {
      const event = parseBlock(block)
      if (event) yield event
    }
  }
}

const parseBlock = (block: string): ServerEvent | undefined => {
  const fields = block
    .split(/\r?\n/)
    .filter((line) => line !== '' && !line.startsWith(':'))
    .map((line) => /^(?<name>[^:]*)(?:: ?(?<value>.*))?$/.exec(line)?.groups ?? {})
  const valuesOf = (name: string) => fields.filter((field) => field['name'] === name).map(({ value = '' }) => value)
  const data = valuesOf('data')
  return data.length === 0 ? undefined : { event: valuesOf('event').at(-1) ?? 'message', data: data.join('\n') }
}
