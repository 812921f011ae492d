/** Of "<address>:<port>", as records have it. */
export const toHost = (place: string | undefined): string | undefined =>
  place?.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')

export const toPort = (place: string | undefined): number | undefined => {
  const [, port] = /:(\d+)$/.exec(place ?? '') ?? []
  return port === undefined ? undefined : Number(port)
}
