/** What the plane said last of who reports for a cluster. */
export interface PlaneStanding {
  /** The highest term that was ever granted; 0 = none was. */
  readonly term: number
  /** It was granted to this replica. */
  readonly isOurs: boolean
  /** Nobody to whom it was granted is connected. */
  readonly isVacant: boolean
}

/** Which of a cluster's replicas reports. */
export interface ReporterElection {
  /** The term that this replica may claim from the plane now; undefined = it is not to report. */
  toTerm(standing: PlaneStanding): number | undefined
}

/** Without anybody else to ask the plane decides: whoever claims first while nobody reports. */
export const firstComer: ReporterElection = {
  toTerm: ({ term, isOurs, isVacant }) => {
    if (isOurs) return Math.max(1, term)
    return isVacant ? term + 1 : undefined
  },
}
