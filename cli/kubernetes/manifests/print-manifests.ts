import type { OutputFormat } from '../../output/view.ts'
import type { UpstreamDefinition } from '../custom-resource-definitions.ts'
import { toObjectText } from '../kubernetes-object.ts'
import type { KubernetesObject } from '../kubernetes-object.ts'
import { toYaml } from './to-yaml.ts'

/** All manifests as one text: YAML documents in order of application, a List as JSON, or their names. */
export const printManifests = (
  definitions: readonly UpstreamDefinition[],
  manifests: readonly KubernetesObject[],
  format: OutputFormat,
): string => {
  const objects = [...definitions.map(({ object }) => object), ...manifests]
  switch (format) {
    case 'json':
      return `${JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }, undefined, 2)}\n`
    case 'name':
      return objects.map((object) => `${toObjectText(object)}\n`).join('')
    default:
      return [...definitions.map(({ text }) => text), ...manifests.map((manifest) => toYaml(manifest))].join('---\n')
  }
}
