const MAX_SHOWN = 5

/** The first names, and how many more there are. */
export const toShortList = (names: readonly string[]): string => {
  const shown = names.slice(0, MAX_SHOWN).join(', ')
  return names.length > MAX_SHOWN ? `${shown} and ${names.length - MAX_SHOWN} more` : shown
}
