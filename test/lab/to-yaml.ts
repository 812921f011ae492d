import { stringify } from 'yaml'

/** One document an object. */
export const toYaml = (objects: readonly unknown[]): string => objects.map((object) => stringify(object)).join('---\n')
