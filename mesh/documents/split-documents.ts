// YAML 1.2.2, 9.1.2: a line that begins with "---" and white space starts a document wherever it is, even within a scalar.
const documentStart = /(?<=\n)---(?=[ \t\r\n]|$)/g
/** Directives belong to the document after them, "..." ends one, and JSON may hold anything: such a text stays in one piece. */
const indivisible = /^\s*[[{]|(?:^|\n)(?:%|\.\.\.)/

/**
 * A YAML text cut where its documents start, so that each can be read by itself; joined they are the text again. For who reads a text
 * again after a change of some of its documents.
 */
export const splitDocuments = (text: string): readonly string[] => {
  if (indivisible.test(text)) return [text]
  const starts = [...text.matchAll(documentStart)].map(({ index }) => index)
  return [0, ...starts].map((start, index) => text.slice(start, starts[index]))
}
