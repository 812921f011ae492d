/** A text of so many characters at most; one that was longer ends with "…". */
export const toShort = (text: string, maxLength: number): string =>
  text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text
