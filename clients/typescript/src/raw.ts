/**
 * Tensors as raw contents of the Open Inference Protocol, and back.
 *
 * Contents are row-major and little-endian, as typed arrays are on the machines that Node runs on. An element of BYTES is a length
 * in four bytes and that many bytes. BF16 is the upper half of FP32.
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Float16Array } from "@petamoriken/float16";
import { InternalError, InvalidRequest, JubakoError } from "./errors.js";
import type { InferOptions } from "./options.js";
import type {
  InferParameterSchema,
  ModelInferRequestSchema,
  ModelInferResponse,
  ModelStreamInferResponse,
} from "./protos/inference/infer_pb.js";
import type { Datatype, Parameter, Tensor, TensorInput } from "./tensors.js";

const NUMBERS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  FP32: Float32Array,
  FP64: Float64Array,
};
const LENGTH_BYTES = 4;

/** @throws InvalidRequest a tensor can't be sent. */
export function inferRequest(
  model: string,
  inputs: Readonly<Record<string, TensorInput>>,
  options: InferOptions,
): MessageInitShape<typeof ModelInferRequestSchema> {
  const [, name, version] = /^(.+):(\d+)$/.exec(model) ?? [];
  const named = Object.entries(inputs);
  return {
    modelName: name ?? model,
    modelVersion: version ?? "",
    inputs: named.map(([tensor, { datatype, shape }]) => ({ name: tensor, datatype, shape: shape.map(BigInt) })),
    rawInputContents: named.map(([tensor, input]) => content(tensor, input)),
    outputs: (options.outputs ?? []).map((output) => ({ name: output })),
    parameters: Object.fromEntries(Object.entries(options.parameters ?? {}).map(([key, value]) => [key, parameter(value)])),
  };
}

/**
 * The outputs by their names.
 *
 * @throws InternalError the answer has no raw contents, or other than its shapes say.
 */
export function tensors(answer: ModelInferResponse): Record<string, Tensor> {
  try {
    return Object.fromEntries(
      answer.outputs.map(({ name, datatype, shape }, place) => {
        const bytes = answer.rawOutputContents[place];
        if (bytes === undefined) {
          throw new RangeError(`the output ${name} is without contents`);
        }
        return [name, tensor(datatype as Datatype, shape.map(Number), bytes)];
      }),
    );
  } catch (error) {
    throw new InternalError(`The server's answer can't be read as tensors: ${messageOf(error)}.`, { cause: error });
  }
}

/** @throws JubakoError the server refuses the request, or failed on it; within a stream it does not say which. */
export function streamedTensors(answer: ModelStreamInferResponse, requestId: string): Record<string, Tensor> {
  if (answer.errorMessage !== "" || answer.inferResponse === undefined) {
    throw new JubakoError(answer.errorMessage, { requestId });
  }
  return tensors(answer.inferResponse);
}

function content(name: string, input: TensorInput): Uint8Array {
  const elements = input.shape.reduce((product, length) => product * length, 1);
  if (input.data.length !== elements) {
    const shape = `[${input.shape.join(", ")}]`;
    const message = `The input ${name} has ${input.data.length} elements; its shape ${shape} takes ${elements}.`;
    throw new InvalidRequest(message, { param: name });
  }
  try {
    return raw(input);
  } catch (error) {
    const message = `The input ${name} can't be made ${input.datatype}: ${messageOf(error)}.`;
    throw new InvalidRequest(message, { param: name, cause: error });
  }
}

function raw({ datatype, data }: TensorInput): Uint8Array {
  switch (datatype) {
    case "BYTES":
      return joined(data.map((element) => (typeof element === "string" ? new TextEncoder().encode(element) : element)));
    case "BF16":
      return bytesOf(upperHalves(Float32Array.from(data)));
    case "FP16":
      return bytesOf(Float16Array.from(data));
    case "INT64":
      return bytesOf(BigInt64Array.from(data));
    case "UINT64":
      return bytesOf(BigUint64Array.from(data));
    default: {
      const kind = NUMBERS[datatype];
      if (kind === undefined) {
        const known = [...Object.keys(NUMBERS), "INT64", "UINT64", "FP16", "BF16", "BYTES"].join(", ");
        throw new TypeError(`there is no such datatype; there are ${known}`);
      }
      return bytesOf(data instanceof kind ? data : kind.from(Array.from(data, Number)));
    }
  }
}

function tensor(datatype: Datatype, shape: number[], bytes: Uint8Array): Tensor {
  // A copy begins where any typed array may begin, and does not keep the whole answer in memory.
  const { buffer } = Uint8Array.from(bytes);
  switch (datatype) {
    case "BYTES":
      return { datatype, shape, data: parted(bytes) };
    case "BF16":
      return { datatype, shape, data: fromUpperHalves(new Uint16Array(buffer)) };
    case "FP16":
      return { datatype, shape, data: Float32Array.from(new Float16Array(buffer)) };
    case "INT64":
      return { datatype, shape, data: new BigInt64Array(buffer) };
    case "UINT64":
      return { datatype, shape, data: new BigUint64Array(buffer) };
    default:
      return { datatype, shape, data: new NUMBERS[datatype](buffer) } as Tensor;
  }
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** To the nearest, ties to even; what is no number stays none. */
function upperHalves(wide: Float32Array): Uint16Array {
  const bits = new Uint32Array(wide.buffer, wide.byteOffset, wide.length);
  return Uint16Array.from(bits, (whole, place) => {
    const rounded = Number.isNaN(wide[place]) ? whole | 0x400000 : whole + 0x7fff + ((whole >>> 16) & 1);
    return rounded >>> 16;
  });
}

function fromUpperHalves(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

function joined(elements: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(elements.reduce((sum, element) => sum + LENGTH_BYTES + element.length, 0));
  const view = new DataView(bytes.buffer);
  let start = 0;
  for (const element of elements) {
    view.setUint32(start, element.length, true);
    bytes.set(element, start + LENGTH_BYTES);
    start += LENGTH_BYTES + element.length;
  }
  return bytes;
}

function parted(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const begin = start + LENGTH_BYTES;
    start = begin + view.getUint32(start, true);
    if (start > bytes.length) {
      throw new RangeError("an element of BYTES is cut short");
    }
    elements.push(bytes.slice(begin, start));
  }
  return elements;
}

function parameter(value: Parameter): MessageInitShape<typeof InferParameterSchema> {
  switch (typeof value) {
    case "boolean":
      return { parameterChoice: { case: "boolParam", value } };
    case "bigint":
      return { parameterChoice: { case: value < 2n ** 63n ? "int64Param" : "uint64Param", value } };
    case "number":
      return Number.isSafeInteger(value)
        ? { parameterChoice: { case: "int64Param", value: BigInt(value) } }
        : { parameterChoice: { case: "doubleParam", value } };
    default:
      return { parameterChoice: { case: "stringParam", value } };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
