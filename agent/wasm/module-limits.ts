/** Of one module, as it is run: a proxy takes seven times as much memory for it (docs/decisions/0034). */
export const maxModuleBytes = 16 * 1024 * 1024

/** Of all that an agent keeps: it has each in memory three times, as code, as what proxies are given and as it is written to them. */
export const maxTotalBytes = 64 * 1024 * 1024
