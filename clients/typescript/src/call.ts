/** One call, over all its attempts. */

import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { Cancelling } from "./cancelling.js";
import { Cancelled, InvalidRequest, type JubakoError } from "./errors.js";
import { failure } from "./failure.js";
import type { CallOptions } from "./options.js";
import type { Patience } from "./patience.js";

/** What all attempts have in common: a name, metadata, what cancels them, and when they must have ended. */
export class Call {
  /** Names the call in the server's log. */
  readonly requestId: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal | undefined;
  readonly #patience: Patience;

  /** @throws InvalidRequest an option can't be sent. */
  constructor(options: CallOptions, patience: Patience, apiKey: string | undefined) {
    this.requestId = options.requestId ?? `req-${randomUUID().replaceAll("-", "")}`;
    this.headers = {
      "x-request-id": plain(this.requestId, "requestId"),
      ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
      ...(options.traceparent !== undefined && { traceparent: plain(options.traceparent, "traceparent") }),
    };
    this.signal = options.signal;
    if (this.signal !== undefined) {
      // Any number of calls may share it, and each of them leaves it at its end.
      setMaxListeners(0, this.signal);
    }
    this.#patience = patience;
  }

  /** Milliseconds that the next attempt may take; undefined for any time. */
  get timeoutMs(): number | undefined {
    return this.#patience.remainingMs();
  }

  /** The error that the end of an attempt means. */
  failure(thrown: unknown): JubakoError {
    return this.signal?.aborted ? this.#cancelled() : failure(thrown, this.requestId);
  }

  /**
   * Waits until the call is to be made again after an attempt failed, or `left` is aborted.
   *
   * @throws JubakoError `error`, if it is not; Cancelled, if the call is cancelled meanwhile.
   */
  async pauseAfter(error: JubakoError, left?: AbortSignal): Promise<void> {
    const delayMs = this.#patience.delayMs(error);
    if (delayMs === undefined) {
      throw error;
    }
    const cancelling = new Cancelling(left, this.signal);
    try {
      await pause(delayMs, undefined, { signal: cancelling.signal });
    } catch {
      if (this.signal?.aborted) {
        throw this.#cancelled();
      }
    } finally {
      cancelling.end();
    }
  }

  #cancelled(): Cancelled {
    const facts = { status: "CANCELLED", requestId: this.requestId, cause: this.signal?.reason };
    return new Cancelled("The call was cancelled.", facts);
  }
}

/** Whether a text can be metadata: characters of ASCII that can be printed. */
export function isPlain(value: string): boolean {
  return /^[ -~]*$/.test(value);
}

function plain(value: string, param: string): string {
  if (!isPlain(value)) {
    throw new InvalidRequest("It may have only characters of ASCII that can be printed.", { param });
  }
  return value;
}
