import { stringify } from 'yaml'

/** A value as YAML. In a module of its own: what is imported lazily from a CommonJS package has no names once it is bundled. */
export const stringifyYaml = (value: unknown): string => stringify(value)
