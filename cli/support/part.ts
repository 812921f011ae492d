/** One thing that a bundle holds. `collect` adds its files and says what looks wrong; what it throws is noted. */
export interface Part {
  /** The file, or the folder with a slash at its end. */
  readonly file: string
  /** For `--list`. */
  readonly what: string
  readonly collect: () => Promise<void>
}
