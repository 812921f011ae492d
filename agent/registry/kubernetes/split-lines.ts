/** The lines of a text that comes in pieces; what the last line lacks its end is left out. Throws when a line is too long. */
export async function* splitLines(pieces: AsyncIterable<string>, maxCharacters: number): AsyncGenerator<string> {
  let rest = ''
  for await (const piece of pieces) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > maxCharacters) throw new Error(`a line has more than ${maxCharacters} characters`)
    yield* lines
  }
}
