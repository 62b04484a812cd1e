/** What a client is told once, the connection that follows from it, and how it is asked. */

import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Call, isPlain } from "./call.js";
import { Cancelling } from "./cancelling.js";
import type { CallOptions } from "./options.js";
import { Patience } from "./patience.js";
import { sessionOptions, type Tls } from "./tls.js";

/** What a client can be told; all of it may be left out. */
export interface ClientOptions {
  /** Sent with each call as `authorization: Bearer`. */
  readonly apiKey?: string | undefined;
  /** Milliseconds that a call may take, retries included; null for any time. Calls can say otherwise. Default: 10 minutes. */
  readonly timeoutMs?: number | null | undefined;
  /**
   * How often a call that changes nothing is made again when the server is not there, restarting or full. A stream is not begun
   * again after its first piece. Default 2.
   */
  readonly retries?: number | undefined;
  /** True for TLS with the authorities that Node trusts, or the files to use. Without it the connection is not encrypted. */
  readonly tls?: Tls | boolean | undefined;
  /**
   * During calls the server is asked for a sign of life after so many milliseconds of silence. One that gives none within a third
   * of that time counts as gone. Default: one minute.
   */
  readonly keepaliveMs?: number | undefined;
  /** Largest answer that is taken, in bytes. Default 256 MiB. */
  readonly maxMessageBytes?: number | undefined;
}

const DEFAULTS = { timeoutMs: 600_000, retries: 2, keepaliveMs: 60_000, maxMessageBytes: 256 * 1024 * 1024 };

/** The connection to one server: opened by the first call, and again by the first after it was closed. */
export class Connection {
  readonly #apiKey: string | undefined;
  readonly #retries: number;
  readonly #timeoutMs: number | null;
  readonly #sessions: Http2SessionManager;
  readonly #transport: Transport;

  /**
   * @throws TypeError the target is none, the key can't be sent, or a certificate is without its key.
   * @throws Error a file of TLS can't be read.
   */
  constructor(target: string, options: ClientOptions) {
    if (options.apiKey !== undefined && !isPlain(options.apiKey)) {
      throw new TypeError("The key has characters that no key has. Is there a line break in it?");
    }
    const tls = options.tls === true ? {} : options.tls || undefined;
    const baseUrl = `${tls === undefined ? "http" : "https"}://${target}`;
    this.#apiKey = options.apiKey;
    this.#retries = options.retries ?? DEFAULTS.retries;
    this.#timeoutMs = options.timeoutMs === undefined ? DEFAULTS.timeoutMs : options.timeoutMs;
    const pingIntervalMs = options.keepaliveMs ?? DEFAULTS.keepaliveMs;
    const keepalive = { pingIntervalMs, pingTimeoutMs: pingIntervalMs / 3 };
    this.#sessions = new Http2SessionManager(baseUrl, keepalive, tls && sessionOptions(tls));
    this.#transport = createGrpcTransport({
      baseUrl,
      sessionManager: this.#sessions,
      readMaxBytes: options.maxMessageBytes ?? DEFAULTS.maxMessageBytes,
    });
  }

  /** Ends the connection, and all calls on it. */
  close(): void {
    this.#sessions.abort();
  }

  /** A call with these options; one that is not idempotent is attempted once. */
  call(options: CallOptions, idempotent = true): Call {
    const retries = idempotent ? (options.retries ?? this.#retries) : 0;
    const timeoutMs = options.timeoutMs === undefined ? this.#timeoutMs : options.timeoutMs;
    return new Call(options, new Patience(retries, timeoutMs), this.#apiKey);
  }

  /**
   * Asks, again where that makes sense.
   *
   * @throws JubakoError there is no answer.
   */
  async ask<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions,
    idempotent = true,
  ): Promise<MessageShape<O>> {
    const call = this.call(options, idempotent);
    for (;;) {
      try {
        const answer = await this.#transport.unary(method, call.signal, call.timeoutMs, call.headers, request);
        return answer.message;
      } catch (thrown) {
        await call.pauseAfter(call.failure(thrown));
      }
    }
  }

  /** Asks once, for any number of answers. That `signal` is aborted, or no more are wanted, cancels what has not come. */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O> | DescMethodBiDiStreaming<I, O>,
    request: MessageInitShape<I>,
    call: Call,
    signal?: AbortSignal,
  ): AsyncGenerator<MessageShape<O>, undefined> {
    const cancelling = new Cancelling(signal, call.signal);
    let answers: AsyncIterator<MessageShape<O>> | undefined;
    try {
      const opened = this.#transport.stream(method, cancelling.signal, call.timeoutMs, call.headers, only(request));
      answers = (await opened).message[Symbol.asyncIterator]();
      for (let next = await answers.next(); !next.done; next = await answers.next()) {
        yield next.value;
      }
    } finally {
      cancelling.end();
      await drain(answers);
    }
  }
}

/** Reads to the end of a call that is over, until which the transport keeps a timer for its deadline. */
async function drain(answers: AsyncIterator<unknown> | undefined): Promise<void> {
  try {
    while (answers !== undefined && !(await answers.next()).done) {}
  } catch {
    // That it was cancelled is its end.
  }
}

async function* only<T>(item: T): AsyncGenerator<T> {
  yield item;
}
