import { rootCertificates } from 'node:tls'
import { z } from 'zod'
import { getMesh } from '#api/routes/meshes.ts'
import { health } from '#api/routes/plane.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { isUntrusted, withoutNodeAdvice } from '../../certificate-trouble.ts'
import type { CliContext } from '../../cli-context.ts'
import { isLoopback } from '../../cli-context.ts'
import { CliError } from '../../cli-error.ts'
import type { Finding } from './finding.ts'

/** The plane as pods will reach it. */
export interface PlaneOfPods {
  readonly url: string
  /** PEM of the authority that they believe instead of the public ones. */
  readonly authority: string | undefined
}

const healthAnswer = z.object({ status: z.literal('ok'), version: z.string() })

/** Asks the plane that is used here for the mesh, and the URL of the pods whether a plane is behind it; that they reach it is seen only once they try. */
export const checkPlane = async (context: CliContext, plane: PlaneOfPods): Promise<Finding> => {
  if (isLoopback(plane.url)) {
    return {
      check: 'plane',
      status: 'failure',
      code: 'plane_on_loopback',
      message: `${plane.url} is this machine, not what pods reach`,
      remedy: 'Say with "--plane" which https:// URL the plane has for them.',
    }
  }
  try {
    const mesh = await context.mesh()
    const { revision } = await context.client().call(getMesh, { params: { mesh } })
    return await probe(context, plane, `mesh ${mesh} is at revision ${revision}`)
  } catch (error) {
    if (error instanceof CliError) throw error
    return {
      check: 'plane',
      status: 'failure',
      code: 'plane_unreachable',
      message: withoutNodeAdvice(toErrorMessage(error)),
      remedy: 'See "atoll whoami".',
    }
  }
}

/** None of what it finds out keeps a cluster from joining: pods may reach what this machine does not, and know other authorities. */
const probe = async (context: CliContext, { url, authority }: PlaneOfPods, known: string): Promise<Finding> => {
  const warning = { check: 'plane', status: 'warning' } as const
  try {
    const authorities = authority === undefined ? rootCertificates : [authority]
    const answer = await context.io.probePlane(`${url}${health.path}`, authorities)
    const found = healthAnswer.safeParse(parseJson(await answer.text()))
    if (found.success)
      return { check: 'plane', status: 'ok', message: `${url} answers, version ${found.data.version}; ${known}` }
    return {
      ...warning,
      code: 'plane_unknown',
      message: `${url} answers with HTTP ${answer.status}, and not as a plane does`,
      remedy: 'Is the URL right? Pods would have to reach something else there.',
    }
  } catch (error) {
    const reason = withoutNodeAdvice(toErrorMessage(error))
    if (isUntrusted(error)) {
      const who = authority === undefined ? 'no public authority vouches' : 'the authority of --plane-ca does not vouch'
      return {
        ...warning,
        code: 'plane_untrusted',
        message: `${who} for the certificate of ${url}: ${reason}`,
        remedy: 'Say with "--plane-ca FILE" who does: pods believe nobody else.',
      }
    }
    return {
      ...warning,
      code: 'plane_not_asked',
      message: `${url} can not be asked from here: ${reason}`,
      remedy: 'Be sure that pods reach it.',
    }
  }
}
