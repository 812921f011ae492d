/** The certificates of a text in PEM, each by itself; whether they can be read is another question. */
export const findCertificates = (text: string): readonly string[] =>
  text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
