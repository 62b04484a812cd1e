/** Answers that come piece by piece. */

/**
 * The deltas D of an answer A, to be read once. Leaving its loop, or {@link Stream.close}, cancels what has not come.
 *
 * ```ts
 * const stream = client.chatStream("smollm2", "Say hello.");
 * for await (const delta of stream) {
 *   process.stdout.write(delta.text);
 * }
 * console.log(stream.answer().usage);
 * ```
 */
export interface Stream<D, A> extends AsyncIterable<D> {
  /** Names the request in the server's log. */
  readonly requestId: string;
  /** The whole after the end; before it, what has come so far. */
  answer(): A;
  /** Cancels what has not come. */
  close(): void;
}
