/** The revision that an `If-Match: "<revision>"` asks for; the contract has checked its form. */
export const parseIfMatch = (header: string | undefined): number | undefined =>
  header === undefined ? undefined : Number(header.replaceAll('"', ''))
