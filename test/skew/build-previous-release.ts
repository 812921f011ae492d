import type { TestProject } from 'vitest/node'
import { ensurePreviousRelease } from '../../scripts/previous-release.mjs'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Folder with what the release before this one publishes. */
    previousRelease: string
  }
}

/** Before the tests of the group: the other version as it is published, for what is published is what meets. */
export const setup = (project: TestProject): void => project.provide('previousRelease', ensurePreviousRelease())
