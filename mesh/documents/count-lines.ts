/** How many lines of a text are ended. */
export const countLines = (text: string): number => text.split('\n').length - 1
