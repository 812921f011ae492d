/** The one alarm that an object has, set to the earliest of what is waited for. */
export class Alarm {
  readonly #storage: DurableObjectStorage
  #atMs: number | null = null

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage
  }

  /** What was set before the object slept. */
  async load(): Promise<void> {
    this.#atMs = await this.#storage.getAlarm()
  }

  /** Rings then, or earlier. `atMs`: since the epoch. */
  arm(atMs: number): void {
    if (this.#atMs !== null && this.#atMs <= atMs) return
    this.#atMs = atMs
    void this.#storage.setAlarm(atMs)
  }

  /** It rings, and is not set any more. */
  rang(): void {
    this.#atMs = null
  }

  async disarm(): Promise<void> {
    await this.#storage.deleteAlarm()
    this.#atMs = null
  }
}
