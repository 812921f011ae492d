import type { Rotation } from '#api/schemas/trust.ts'
import { toRoughDuration } from '../duration.ts'
import { toFields, toTable } from '../output/table.ts'

const meanings: Readonly<Record<string, string>> = {
  'trust-both': 'agents take over the new root beside the old one',
  'reissue-intermediates': 'each cluster gets an intermediate of the new root',
  distribute: 'all proxies get the new intermediates',
  'reissue-leaves': 'workloads get certificates of the new root',
  retire: 'the trust in the old root ends',
}

/** "step 3 of 5, distribute: all proxies get the new intermediates; waits for 2" */
export const toRotationSentence = ({ step, direction, paused, waiting }: Rotation): string => {
  const way = direction === 'back' ? 'back, ' : ''
  if (step === 'done')
    return direction === 'back' ? 'rolled back: the root is the one of before' : 'done: the new root is the only one'
  const names = Object.keys(meanings)
  const place = names.includes(step) ? `step ${names.indexOf(step) + 1} of ${names.length}, ` : ''
  const meaning = meanings[step] === undefined ? '' : `: ${meanings[step]}`
  return `${way}${place}${step}${meaning}${paused ? '; paused' : waiting > 0 ? `; waits for ${waiting}` : ''}`
}

/** A rotation for people: where it stands, and whom it waits for since when. */
export const toRotationText = (rotation: Rotation, now: number): string => {
  const ago = (at: string) => `${toRoughDuration(now - Date.parse(at))} ago`
  const waits = rotation.waits.map(({ cluster, proxy, message, since }) => [
    cluster ?? '',
    proxy ?? '',
    message,
    toRoughDuration(now - Date.parse(since)),
  ])
  const more = rotation.waiting - waits.length
  return [
    toFields([
      ['Rotation', toRotationSentence(rotation)],
      ['From root', rotation.from],
      ['To root', rotation.to],
      ['Begun', `${rotation.startedAt} (${ago(rotation.startedAt)}), ${toReasonText(rotation)}`],
      ...(rotation.endedAt === null ? [] : [['Ended', `${rotation.endedAt} (${ago(rotation.endedAt)})`] as const]),
      ...(rotation.leftBehind.length > 0 ? [['Left behind', rotation.leftBehind.join(', ')] as const] : []),
      ...(rotation.endedAt === null
        ? [['Grace', `${rotation.offlineGraceDays}d for clusters that are away`] as const]
        : []),
    ]),
    toTable(
      ['STEP', 'WAY', 'BEGUN'],
      rotation.steps.map(({ step, direction, at }) => [step, direction, at]),
    ),
    ...(rotation.clusters.length > 0
      ? [
          toTable(
            ['CLUSTER', 'STATE', 'AGENTS', 'PROXIES'],
            rotation.clusters.map(({ cluster, state, agents, proxies }) => [
              cluster,
              state,
              String(agents),
              String(proxies),
            ]),
          ),
        ]
      : []),
    ...(waits.length > 0 ? [toTable(['WAITS FOR', 'PROXY', 'WHY', 'FOR'], waits)] : []),
    ...(more > 0 ? [`… and ${more} more`] : []),
  ].join('\n')
}

const toReasonText = ({ reason }: Rotation): string => {
  if (reason === 'expiring') return 'by the plane, because the root runs out'
  return reason === 'taken_over' ? 'by an older version of the plane' : 'because somebody asked'
}
