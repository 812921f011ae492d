import { pino, type Logger } from 'pino'

export type Log = Logger

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** Fields that hold secrets, wherever an object carries them: never written, even when somebody logs the whole object. */
const secretFields = [
  'token',
  'authorization',
  'secretHash',
  'privateKeyPem',
  'identityKeyPem',
  'intermediateKeyPem',
  'sealingKey',
  'nonce',
  'signature',
  'proof',
]

/** One JSON object a line, on standard output. */
export const createLog = (level: LogLevel): Log =>
  pino({
    level,
    base: { program: 'atoll-agent' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]), censor: '[secret]' },
  })
