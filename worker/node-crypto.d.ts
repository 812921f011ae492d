/** Of Node's module, which workerd has too, what the worker uses. */
declare module 'node:crypto' {
  interface Hash {
    update(text: string): Hash
    digest(encoding: 'hex'): string
  }
  export const createHash: (algorithm: 'sha256') => Hash
}
