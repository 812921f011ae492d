import { findProgram } from './find-program.mjs'

export const chromiumRemedy = 'apt-get install chromium, or set ATOLL_CHROMIUM to one'

/** @returns {string | undefined} */
export function findChromium(env = process.env) {
  return env.ATOLL_CHROMIUM ?? findProgram('chromium', env)
}

/** @returns {string} */
export function chromiumPath() {
  const found = findChromium()
  if (found === undefined) throw new Error(`there is no Chromium: ${chromiumRemedy}`)
  return found
}
