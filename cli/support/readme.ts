import type { Part } from './part.ts'
import type { Missing } from './support-bundle.ts'

export interface BundleSummary {
  /** Of this command. */
  readonly atoll: string
  readonly createdAt: string
  readonly findings: readonly string[]
  readonly missing: readonly Missing[]
  /** How often something looked like a secret and was replaced. */
  readonly redacted: number
}

/** The page that a helper opens first. */
export const toReadme = (
  { atoll, createdAt, findings, missing, redacted }: BundleSummary,
  parts: readonly Part[],
): string =>
  [
    `Atoll support bundle, made ${createdAt} by atoll ${atoll}`,
    '',
    'What looks wrong:',
    ...(findings.length === 0 ? ['  nothing'] : findings.map((finding) => `  - ${finding}`)),
    '',
    'What was asked for:',
    ...parts.map(({ file, what }) => `  ${file}  ${what}`),
    '',
    'What could not be had:',
    ...(missing.length === 0 ? ['  nothing'] : missing.map(({ part, reason }) => `  - ${part}: ${reason}`)),
    '',
    'What is not here: Secrets, ConfigMaps, keys, certificates, tokens, environment variables, annotations, values of headers,',
    `bodies, payloads. ${redacted} times something else looked like a secret and reads "[left out]".`,
    '',
  ].join('\n')
