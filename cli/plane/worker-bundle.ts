import type { BuildOptions } from 'esbuild'

/** How the worker becomes one module, for `atoll plane serve` in a clone and for what is published (scripts/build.mjs). */
export const workerBundle = {
  bundle: true,
  format: 'esm',
  target: 'es2024',
  conditions: ['workerd', 'worker', 'browser'],
  external: ['node:*', 'cloudflare:*'],
  logLevel: 'warning',
} satisfies BuildOptions
