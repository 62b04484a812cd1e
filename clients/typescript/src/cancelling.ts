/** What cancels a call. */

/**
 * A signal that others abort as well, until it is ended. One that `AbortSignal.any` makes is kept for as long as the others live by
 * Node 20, and a service may have one signal for all of its calls.
 */
export class Cancelling {
  readonly #controller = new AbortController();
  readonly #others: readonly AbortSignal[];
  readonly #abort = () => this.#controller.abort();

  constructor(...others: readonly (AbortSignal | undefined)[]) {
    this.#others = others.filter((other) => other !== undefined);
    for (const other of this.#others) {
      other.addEventListener("abort", this.#abort);
    }
    if (this.#others.some((other) => other.aborted)) {
      this.#abort();
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Aborts the signal, and lets go of the others. */
  end(): void {
    for (const other of this.#others) {
      other.removeEventListener("abort", this.#abort);
    }
    this.#abort();
  }
}
