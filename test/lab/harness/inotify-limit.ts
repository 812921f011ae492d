import { readFile, writeFile } from 'node:fs/promises'

const setting = 'fs.inotify.max_user_instances'
const file = `/proc/sys/${setting.replaceAll('.', '/')}`
const needed = 8192

/**
 * The kernel counts inotify instances by user, over all network namespaces, and every proxy of every lab on this machine is the same user:
 * with its usual 128 the 43rd proxy ends at its start. It stays raised; nothing else of this machine suffers from it.
 *
 * @throws {Error} with a remedy where the kernel does not let it be raised
 */
export const raiseInotifyLimit = async (tell: (line: string) => void): Promise<void> => {
  const allowed = Number.parseInt(await readFile(file, 'utf8'), 10)
  if (allowed >= needed) return
  try {
    await writeFile(file, String(needed))
  } catch (error) {
    throw new Error(`${setting} is ${allowed}, and can't be raised from here: sysctl -w ${setting}=${needed}`, {
      cause: error,
    })
  }
  tell(`raised ${setting} from ${allowed} to ${needed}: all proxies are one user`)
}
