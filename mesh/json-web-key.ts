/** What JSON Web Keys have in common, whoever writes or publishes them (RFC 7517, 7518, 8037). */

/** Some issuers fill it up. */
export const base64UrlForm = /^[A-Za-z0-9_-]+={0,2}$/

/** Octets of a coordinate, and the algorithm that goes with the curve. */
export const ellipticCurves = {
  'P-256': { octets: 32, alg: 'ES256' },
  'P-384': { octets: 48, alg: 'ES384' },
  'P-521': { octets: 66, alg: 'ES512' },
} as const
export type EllipticCurve = keyof typeof ellipticCurves

export const edwardsCurve = 'Ed25519'

/** Of a shared secret: whoever verifies by it can sign. */
export const secretKeyType = 'oct'

/** RFC 7518 §6.2.2, §6.3.2, §6.4.1, RFC 8037 §2. */
const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const

/** Whether a key has its private part with it. */
export const hasPrivatePart = (key: object): boolean => secretMembers.some((member) => Object.hasOwn(key, member))
