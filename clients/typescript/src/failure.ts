/** From how a call ended to the error that it means. */

import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { isFieldError } from "@bufbuild/protobuf/reflect";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import * as errors from "./errors.js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./protos/rpc_pb.js";

type Kind = typeof errors.JubakoError;

const BY_REASON = new Map(
  Object.values(errors)
    .filter((kind) => kind.reason !== undefined)
    .map((kind): [string, Kind] => [kind.reason as string, kind]),
);

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
  if (isFieldError(error.cause)) {
    const { message, field } = { message: error.cause.message, field: error.cause.field() };
    return new errors.InvalidRequest(`It can't be sent: ${message}.`, { param: field.name, cause: thrown });
  }
  const status = statusOf(error);
  const info = detail(error, ErrorInfoSchema);
  const retry = detail(error, RetryInfoSchema)?.retryDelay;
  const retryAfter = retry && Number(retry.seconds) + retry.nanos / 1e9;
  const kind = BY_REASON.get(info?.reason ?? "") ?? kindOf(status, error.rawMessage, retryAfter);
  return new kind(error.rawMessage || `The call ended with ${status}.`, {
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

/** The name of gRPC's status. A connection that breaks is what other gRPC libraries call it. */
function statusOf(error: ConnectError): string {
  if (error.code === Code.Aborted && error.cause instanceof Error && "code" in error.cause) {
    return "UNAVAILABLE";
  }
  return error.code === Code.Canceled ? "CANCELLED" : codeToString(error.code).toUpperCase();
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
