import { stringify } from 'yaml'

/** A manifest as people read it: no anchors, no folded lines. */
export const toYaml = (object: unknown): string => stringify(object, { aliasDuplicateObjects: false, lineWidth: 0 })
