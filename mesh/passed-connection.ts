/**
 * How long a caller's proxy uses one HTTP connection through another network's gateway. The gateway sees TLS alone and can't tell anybody to
 * go elsewhere, so one that is to end waits for as long.
 */
export const passedConnectionSeconds = 30
