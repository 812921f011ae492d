import { AtollError } from '#api/atoll-error.ts'
import { exitReasonOf } from '../exit-code.ts'

/** What is said of a failure that passes, of the plane or of what stands before it; every other is thrown. */
export const toPassing = (error: unknown): string => {
  if (error instanceof AtollError && (exitReasonOf[error.code] === 'unavailable' || isOfProxy(error)))
    return error.code === 'unreachable' ? error.message : `No answer: ${error.message}`
  throw error
}

const isOfProxy = ({ code, status }: AtollError): boolean =>
  code === 'bad_answer' && (status === 502 || status === 503 || status === 504)
