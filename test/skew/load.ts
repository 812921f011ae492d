import { toErrorMessage } from '#mesh/error-message.ts'
import type { TwoClusters } from '#test/harness/two-clusters.ts'

/** Requests from frontend to reviews, one after the other, until it is ended. */
export class Load {
  readonly #mesh: TwoClusters
  readonly #failures: string[] = []
  readonly #run: Promise<void>
  #going = true
  #answered = 0

  constructor(mesh: TwoClusters) {
    this.#mesh = mesh
    this.#run = this.#send()
  }

  async end(): Promise<{ readonly answered: number; readonly failures: readonly string[] }> {
    this.#going = false
    await this.#run
    return { answered: this.#answered, failures: this.#failures }
  }

  async #send(): Promise<void> {
    while (this.#going) {
      try {
        await this.#mesh.request()
        this.#answered += 1
      } catch (error) {
        this.#failures.push(toErrorMessage(error))
      }
      // The machine has other things to do.
      await new Promise((resolve) => setTimeout(resolve, 40))
    }
  }
}
