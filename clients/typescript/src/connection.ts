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
import { Call } from "./call.js";
import type { CallOptions } from "./options.js";
import { Patience } from "./patience.js";
import { sessionOptions, type Tls } from "./tls.js";

/** What a client can be told; all of it may be left out. */
export interface ClientOptions {
  /** Sent with every call. */
  readonly apiKey?: string | undefined;
  /** Milliseconds until a call must have ended, retries included; null for any time. Default: 10 minutes. */
  readonly timeoutMs?: number | null | undefined;
  /** How often a call that changes nothing is made again when the server is not there or is full. Default 2. */
  readonly retries?: number | undefined;
  /** Whether the connection is encrypted, or with which files. Default false. */
  readonly tls?: Tls | boolean | undefined;
  /** Largest answer that is taken, in bytes. Default 256 MiB. */
  readonly maxMessageBytes?: number | undefined;
}

const DEFAULTS = { timeoutMs: 600_000, retries: 2, maxMessageBytes: 256 * 1024 * 1024 };
// A dead connection is found within 80 seconds of a call; idle connections are left in peace.
const KEEPALIVE = { pingIntervalMs: 60_000, pingTimeoutMs: 20_000 };

/** The connection to one server: opened by the first call, and again by the first after it was closed. */
export class Connection {
  readonly #apiKey: string | undefined;
  readonly #retries: number;
  readonly #timeoutMs: number | null;
  readonly #sessions: Http2SessionManager;
  readonly #transport: Transport;

  constructor(target: string, options: ClientOptions) {
    const tls = options.tls === true ? {} : options.tls || undefined;
    const baseUrl = `${tls === undefined ? "http" : "https"}://${target}`;
    this.#apiKey = options.apiKey;
    this.#retries = options.retries ?? DEFAULTS.retries;
    this.#timeoutMs = options.timeoutMs === undefined ? DEFAULTS.timeoutMs : options.timeoutMs;
    this.#sessions = new Http2SessionManager(baseUrl, KEEPALIVE, tls && sessionOptions(tls));
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

  /** Asks once, for any number of answers; `signal` cancels what has not come, and whoever reads no further must do that. */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O> | DescMethodBiDiStreaming<I, O>,
    request: MessageInitShape<I>,
    call: Call,
    signal: AbortSignal,
  ): AsyncGenerator<MessageShape<O>> {
    const answers = await this.#transport.stream(method, signal, call.timeoutMs, call.headers, only(request));
    yield* answers.message;
  }
}

async function* only<T>(item: T): AsyncGenerator<T> {
  yield item;
}
