/** Digits and dots: what a host name can't be. */
export const isIpv4Address = (text: string): boolean => /^[\d.]+$/.test(text)

/** An IPv4 address, or a block of them ("10.0.0.0/8"). */
export const isIpv4Range = (text: string): boolean => /^[\d.]+(\/\d+)?$/.test(text)
