/** Of Node's module, which workerd has too, what the worker and its tests use. */
declare module 'node:crypto' {
  interface Hash {
    update(text: string): Hash
    digest(encoding: 'hex'): string
  }
  interface KeyObject {
    export(options: { readonly format: 'jwk' }): { readonly x?: string }
  }
  export const createHash: (algorithm: 'sha256') => Hash
  export const createPrivateKey: (key: {
    readonly key: Uint8Array
    readonly format: 'der'
    readonly type: 'pkcs8'
  }) => KeyObject
  export const createPublicKey: (
    key:
      | KeyObject
      | { readonly key: { readonly kty: 'OKP'; readonly crv: 'Ed25519'; readonly x: string }; readonly format: 'jwk' },
  ) => KeyObject
  export const verify: (algorithm: null, data: Uint8Array, key: KeyObject, signature: Uint8Array) => boolean
  /** `null`: as the key's kind says, which is Ed25519. */
  export const sign: (algorithm: null, data: Uint8Array, key: KeyObject) => Uint8Array
}
