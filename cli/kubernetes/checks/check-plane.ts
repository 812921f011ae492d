import { getMesh } from '#api/routes/meshes.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import type { CliContext } from '../../cli-context.ts'
import { isLoopback } from '../../cli-context.ts'
import { CliError } from '../../cli-error.ts'
import type { Finding } from './finding.ts'

/** `url`: the plane's as pods will reach it; that they do is seen only once they try. */
export const checkPlane = async (context: CliContext, url: string): Promise<Finding> => {
  if (isLoopback(url)) {
    return {
      check: 'plane',
      status: 'failure',
      code: 'plane_on_loopback',
      message: `${url} is this machine, not what pods reach`,
      remedy: 'Say with "--plane" which https:// URL the plane has for them.',
    }
  }
  try {
    const mesh = await context.mesh()
    const { revision } = await context.client().call(getMesh, { params: { mesh } })
    return { check: 'plane', status: 'ok', message: `${url} has mesh ${mesh} at revision ${revision}` }
  } catch (error) {
    if (error instanceof CliError) throw error
    return {
      check: 'plane',
      status: 'failure',
      code: 'plane_unreachable',
      message: toErrorMessage(error),
      remedy: 'See "atoll whoami".',
    }
  }
}
