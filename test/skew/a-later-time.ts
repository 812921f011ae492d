/**
 * Preloaded into an agent (`node --import`): its clock is half an intermediate's life and a bit ahead, and what it does every half minute it
 * does every second, minutes later by its clock each time: it renews its intermediate now, and what it has to try again it does not wait for.
 */
let aheadMilliseconds = 50 * 24 * 60 * 60 * 1000
const laterMilliseconds = 3 * 60_000
const now = Date.now.bind(Date)
Date.now = () => now() + aheadMilliseconds

globalThis.setTimeout = new Proxy(globalThis.setTimeout, {
  apply: (target, self, [callback, delay, ...rest]: unknown[]) => {
    const isHurried = delay === 30_000
    if (isHurried) aheadMilliseconds += laterMilliseconds
    return Reflect.apply(target, self, [callback, isHurried ? 1000 : delay, ...rest])
  },
})
