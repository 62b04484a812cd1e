/** When a call that failed is made again. */

import { DeadlineExceeded, InstanceLost, type JubakoError, Overloaded } from "./errors.js";

const FIRST_DELAY_MS = 200;
const LONGEST_DELAY_MS = 10_000;
// gRPC writes a timeout in at most eight digits.
const LONGEST_TIMEOUT_MS = 99_999_999;

/** How long one call may take, and how often it may be made again. */
export class Patience {
  readonly #retries: number;
  /** When the call must have ended, by `performance.now()`; undefined for never. */
  readonly #deadline: number | undefined;
  #failures = 0;

  constructor(retries: number, timeoutMs: number | null) {
    this.#retries = retries;
    this.#deadline = timeoutMs === null ? undefined : performance.now() + timeoutMs;
  }

  /** Whole milliseconds until the deadline, at least one; undefined without one. */
  remainingMs(): number | undefined {
    if (this.#deadline === undefined) {
      return undefined;
    }
    return Math.min(Math.max(Math.ceil(this.#deadline - performance.now()), 1), LONGEST_TIMEOUT_MS);
  }

  /**
   * Milliseconds to wait before the call is made again after `error`; undefined where it is not.
   *
   * The wait is drawn from nothing to a bound that doubles each time ("full jitter",
   * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), after what the server says at least.
   */
  delayMs(error: JubakoError): number | undefined {
    if (this.#failures >= this.#retries || !isPassing(error)) {
      return undefined;
    }
    const bound = Math.min(FIRST_DELAY_MS * 2 ** this.#failures, LONGEST_DELAY_MS);
    this.#failures += 1;
    const delay = (error.retryAfter ?? 0) * 1000 + Math.random() * bound;
    const remaining = this.remainingMs();
    return remaining !== undefined && delay >= remaining ? undefined : delay;
  }
}

/** Whether the same call may go well a little later. */
function isPassing(error: JubakoError): boolean {
  // The call itself may be why the instance died.
  if (error instanceof DeadlineExceeded || error instanceof InstanceLost) {
    return false;
  }
  return error.status === "UNAVAILABLE" || (error instanceof Overloaded && error.retryAfter !== undefined);
}
