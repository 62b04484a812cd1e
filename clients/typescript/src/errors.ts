/**
 * Every error that the client throws.
 *
 * ```text
 * JubakoError
 * ├── ClientError                  the caller can mend it
 * │   ├── InvalidRequest           a field is wrong; `param` says which
 * │   │   ├── Unsupported          right, but not with this model or this server
 * │   │   └── PromptTooLong        more tokens than the context holds
 * │   ├── Unauthorized             no key, or a wrong one
 * │   ├── Forbidden                the key does not allow it
 * │   ├── NotFound
 * │   │   └── ModelNotFound        with the nearest names
 * │   ├── Conflict                 not as things are on the server; the message says what has to change there first
 * │   ├── PayloadTooLarge          a message is larger than one side takes
 * │   └── Overloaded               the model's queue is full; nothing was started
 * ├── ServerError                  the operator can mend it
 * │   ├── InternalError
 * │   ├── ModelNotReady            loading, draining or being restarted: try again
 * │   ├── ModelFailed              gave up loading
 * │   ├── InstanceLost             the process that was answering died
 * │   ├── UpstreamFailed           another server, which was to answer, refused or broke off
 * │   ├── UpstreamUnavailable      that server can't be reached
 * │   ├── DeadlineExceeded         no answer within the time that was given
 * │   └── Unreachable              the server can't be reached, or is leaving
 * └── Cancelled                    the call was cancelled
 * ```
 *
 * The names are the server's own; only Unreachable and Cancelled are the client's.
 *
 * @module
 */

/** What is known of an error beside its sentence. */
export interface ErrorFacts {
  readonly code?: string | undefined;
  readonly status?: string | undefined;
  readonly param?: string | undefined;
  readonly retryAfter?: number | undefined;
  readonly requestId?: string | undefined;
  readonly cause?: unknown;
}

/** The root of all errors of this package. */
export class JubakoError extends Error {
  /** What the server calls this kind of error, if it has a name for it. */
  static readonly reason: string | undefined = undefined;

  /** A machine-readable reason, such as `model_not_found`; undefined where the server gave none. */
  readonly code: string | undefined;
  /** The name of the gRPC status, such as `NOT_FOUND`; undefined where the call was not made. */
  readonly status: string | undefined;
  /** The request field at fault, as a path such as `messages[0].content`. */
  readonly param: string | undefined;
  /** Seconds after which trying again makes sense. */
  readonly retryAfter: number | undefined;
  /** Names the request in the server's log; undefined where the call was not made. */
  readonly requestId: string | undefined;

  constructor(message: string, facts: ErrorFacts = {}) {
    super(message, { cause: facts.cause });
    this.name = new.target.name;
    this.code = facts.code ?? new.target.reason;
    this.status = facts.status;
    this.param = facts.param;
    this.retryAfter = facts.retryAfter;
    this.requestId = facts.requestId;
  }

  /** The sentence, and the request's id where there is one. */
  override toString(): string {
    const said = `${this.name}: ${this.message}`;
    return this.requestId === undefined ? said : `${said} (request ${this.requestId})`;
  }
}

/** The caller can mend it. */
export class ClientError extends JubakoError {}

/** A field of the request is wrong; `param` says which. */
export class InvalidRequest extends ClientError {
  static override readonly reason: string = "invalid_request";
}

/** The request is right, but not with this model or this server. */
export class Unsupported extends InvalidRequest {
  static override readonly reason = "unsupported_parameter";
}

/** The prompt has more tokens than the context holds. */
export class PromptTooLong extends InvalidRequest {
  static override readonly reason = "context_length_exceeded";
}

/** There is no key, or a wrong one. */
export class Unauthorized extends ClientError {
  static override readonly reason = "invalid_api_key";
}

/** The key does not allow it. */
export class Forbidden extends ClientError {
  static override readonly reason = "forbidden";
}

/** What was asked for does not exist. */
export class NotFound extends ClientError {
  static override readonly reason: string = "not_found";
}

/** No model has this name; the message names the nearest. */
export class ModelNotFound extends NotFound {
  static override readonly reason = "model_not_found";
}

/** It can't be done as things are on the server; the message says what has to change there first. */
export class Conflict extends ClientError {
  static override readonly reason = "conflict";
}

/** A message is larger than one of the two sides takes. */
export class PayloadTooLarge extends ClientError {
  static override readonly reason = "payload_too_large";
}

/** The model's queue is full; nothing was started. */
export class Overloaded extends ClientError {
  static override readonly reason = "queue_full";
}

/** The operator of the server can mend it. */
export class ServerError extends JubakoError {}

/** The server failed; its log says why, under the request id. */
export class InternalError extends ServerError {
  static override readonly reason = "internal_error";
}

/** The model is loading, draining or being restarted; try again. */
export class ModelNotReady extends ServerError {
  static override readonly reason = "model_not_ready";
}

/** The model gave up loading. */
export class ModelFailed extends ServerError {
  static override readonly reason = "model_failed";
}

/** The process that was answering died. */
export class InstanceLost extends ServerError {
  static override readonly reason = "instance_lost";
}

/** Another server, which was to answer, refused or broke off. */
export class UpstreamFailed extends ServerError {
  static override readonly reason = "upstream_failed";
}

/** Another server, which was to answer, can't be reached. */
export class UpstreamUnavailable extends ServerError {
  static override readonly reason = "upstream_unavailable";
}

/** There was no answer within the time that was given. */
export class DeadlineExceeded extends ServerError {
  static override readonly reason = "deadline_exceeded";
}

/** The server can't be reached, or is leaving. */
export class Unreachable extends ServerError {}

/** The call was cancelled. */
export class Cancelled extends JubakoError {}
