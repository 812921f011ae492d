/**
 * How closely a host of a rule (exact, "*.example.org", "*") names a host name that it matches: an exact one before any wildcard,
 * a longer wildcard before a shorter one.
 */
export const toSpecificity = (ruleHost: string): number =>
  ruleHost.startsWith('*') ? ruleHost.length : Number.POSITIVE_INFINITY

/** Whether a host of a rule, which may be a wildcard, means this host name. */
export const matchesHost = (ruleHost: string, hostname: string): boolean =>
  ruleHost.startsWith('*') ? hostname.endsWith(ruleHost.slice(1)) : ruleHost === hostname
