/** Types of the Secrets that say who a client is: proxies are given no others to tell clients by, whatever an object names. */
export const clientSecretTypes = {
  /** Each entry is a client, by its key its name: one or more API keys, one a line. */
  apiKeys: 'atoll.dev/api-keys',
  /** Each entry is a file of htpasswd. */
  users: 'atoll.dev/basic-users',
} as const
