/**
 * Preloaded into an agent (`node --import`): its clock is half an intermediate's life and a bit ahead, and what it does every half minute it
 * does at once, so that it renews its intermediate now.
 */
const aheadMilliseconds = 50 * 24 * 60 * 60 * 1000
const now = Date.now.bind(Date)
Date.now = () => now() + aheadMilliseconds

globalThis.setTimeout = new Proxy(globalThis.setTimeout, {
  apply: (target, self, [callback, delay, ...rest]: unknown[]) =>
    Reflect.apply(target, self, [callback, delay === 30_000 ? 100 : delay, ...rest]),
})
