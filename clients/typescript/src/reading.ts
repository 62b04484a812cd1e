/** How a stream is read: from chunks to deltas, begun again while nothing has come. */

import type { Call } from "./call.js";
import type { Gathering } from "./gathering.js";
import type { Stream } from "./stream.js";

/** Reads the chunks C that `begin` asks for, once for each attempt. */
export class Reading<C, D, A> implements Stream<D, A> {
  readonly #begin: (signal: AbortSignal) => AsyncIterable<C>;
  readonly #gathering: Gathering<C, D, A>;
  readonly #call: Call;
  readonly #left = new AbortController();
  readonly #deltas: AsyncGenerator<D, undefined>;

  constructor(begin: (signal: AbortSignal) => AsyncIterable<C>, gathering: Gathering<C, D, A>, call: Call) {
    this.#begin = begin;
    this.#gathering = gathering;
    this.#call = call;
    this.#deltas = this.#read();
  }

  get requestId(): string {
    return this.#call.requestId;
  }

  answer(): A {
    return this.#gathering.answer();
  }

  close(): void {
    this.#left.abort();
  }

  [Symbol.asyncIterator](): AsyncGenerator<D, undefined> {
    return this.#deltas;
  }

  async *#read(): AsyncGenerator<D, undefined> {
    const left = this.#left.signal;
    let begun = false;
    while (!left.aborted) {
      try {
        for await (const chunk of this.#begin(left)) {
          begun = true;
          yield* this.#gathering.add(chunk);
        }
        return;
      } catch (thrown) {
        if (left.aborted) {
          return;
        }
        const error = this.#call.failure(thrown);
        if (begun) {
          throw error;
        }
        await this.#call.pauseAfter(error, left);
      }
    }
  }
}
