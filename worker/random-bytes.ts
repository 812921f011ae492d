/** The Worker's source of randomness, where routes hand one on. */
export const randomBytes = (bytes: number): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(bytes))
