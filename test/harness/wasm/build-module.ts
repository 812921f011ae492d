import { readFileSync } from 'node:fs'
import loadWabt from 'wabt'

const wabt = loadWabt()
const source = readFileSync(new URL('plugin.wat', import.meta.url), 'utf8')

/** The plugin of plugin.wat. `changed`: makes another module of it, which says `mark` in the place of "x-plugin". */
export const buildModule = async (mark = 'x-plugin'): Promise<Uint8Array> => {
  if (mark.length !== 'x-plugin'.length) throw new Error(`${mark} is not as long as x-plugin`)
  const module = (await wabt).parseWat('plugin.wat', source.replaceAll('x-plugin', mark))
  try {
    return module.toBinary({}).buffer
  } finally {
    module.destroy()
  }
}
