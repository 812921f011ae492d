/** Type of the Secrets that say how registries are signed in to: agents sign in by no others, whatever an object names. */
export const pullSecretType = 'kubernetes.io/dockerconfigjson'
/** Under which key such a Secret has what it says: Docker's config.json. */
export const pullSecretKey = '.dockerconfigjson'
