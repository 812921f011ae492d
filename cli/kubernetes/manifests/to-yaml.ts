import { stringify } from 'yaml'

/** A manifest as people read it: no anchors, no folded lines. kubectl reads YAML 1.1: a text such as "on" is in quotes. */
export const toYaml = (object: unknown): string =>
  stringify(object, { aliasDuplicateObjects: false, lineWidth: 0, compat: 'yaml-1.1' })
