/** From how a call ended to the error that it means. */

import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import * as errors from "./errors.js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./protos/rpc_pb.js";

type Kind = typeof errors.JubakoError;

const BY_REASON = new Map<string | undefined, Kind>(
  Object.values(errors).flatMap((kind: Kind) => (kind.reason === undefined ? [] : [[kind.reason, kind] as const])),
);

/** What Connect's sentence begins with where a message can't be written, so that nothing was sent. */
const UNSENT = "serialize binary: ";

/** What a status means where no reason says more. */
const BY_STATUS = new Map<string, Kind>([
  ["CANCELLED", errors.Cancelled],
  ["DEADLINE_EXCEEDED", errors.DeadlineExceeded],
  ["FAILED_PRECONDITION", errors.ModelFailed],
  ["INVALID_ARGUMENT", errors.InvalidRequest],
  ["NOT_FOUND", errors.NotFound],
  ["OUT_OF_RANGE", errors.InvalidRequest],
  ["PERMISSION_DENIED", errors.Forbidden],
  ["UNAUTHENTICATED", errors.Unauthorized],
  ["UNAVAILABLE", errors.Unreachable],
  ["UNIMPLEMENTED", errors.Unsupported],
]);

/** The error that `thrown` means, with what the server's details say. */
export function failure(thrown: unknown, requestId: string): errors.JubakoError {
  if (thrown instanceof errors.JubakoError) {
    return thrown;
  }
  const error = ConnectError.from(thrown);
  if (error.code === Code.Internal && error.rawMessage.startsWith(UNSENT)) {
    return new errors.InvalidRequest(`It can't be sent: ${error.rawMessage.slice(UNSENT.length)}.`, { cause: thrown });
  }
  const status = statusOf(error);
  const info = detail(error, ErrorInfoSchema);
  const retry = detail(error, RetryInfoSchema)?.retryDelay;
  const retryAfter = retry && Number(retry.seconds) + retry.nanos / 1e9;
  const kind = BY_REASON.get(info?.reason) ?? kindOf(status, error.rawMessage, retryAfter);
  return new kind(sentence(error) || `The call ended with ${status}.`, {
    code: info?.reason,
    status,
    param: detail(error, BadRequestSchema)?.fieldViolations[0]?.field,
    retryAfter,
    requestId,
    cause: thrown,
  });
}

function kindOf(status: string, said: string, retryAfter: number | undefined): Kind {
  if (status === "RESOURCE_EXHAUSTED") {
    // gRPC's own libraries end calls so, whose messages are larger than they may be.
    return retryAfter === undefined && said.includes("larger than") ? errors.PayloadTooLarge : errors.Overloaded;
  }
  return BY_STATUS.get(status) ?? errors.InternalError;
}

/** The name of gRPC's status. */
function statusOf(error: ConnectError): string {
  if (isBroken(error) || isOfTheConnection(error)) {
    return "UNAVAILABLE";
  }
  return error.code === Code.Canceled ? "CANCELLED" : codeToString(error.code).toUpperCase();
}

function sentence(error: ConnectError): string {
  return isBroken(error) ? "The connection broke before the answer was whole." : error.rawMessage;
}

/** Whether the connection broke while the call was on it: then its streams are closed as if they were cancelled. */
function isBroken({ code, rawMessage }: ConnectError): boolean {
  return code === Code.Canceled && rawMessage.startsWith("http/2 stream closed");
}

/** Whether Node says so: what it says of sockets, TLS and refused streams has a code of its own, such as ECONNRESET. */
function isOfTheConnection({ code, cause }: ConnectError): boolean {
  return (code === Code.Aborted || code === Code.Internal) && cause instanceof Error && "code" in cause;
}

/** The first detail of a kind of google.rpc, whose messages the client has under another package's name. */
function detail<M extends DescMessage>(error: ConnectError, schema: M): MessageShape<M> | undefined {
  for (const given of error.details) {
    if ("type" in given && given.type.endsWith(`.${schema.name}`)) {
      return fromBinary(schema, given.value);
    }
  }
  return undefined;
}
