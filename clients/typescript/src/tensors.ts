/** Tensors: what they hold, by their datatypes. */

/** What the elements of each datatype are held in. FP16 and BF16 are Float32Array, which holds each of their values exactly. */
export interface Elements {
  /** 0 or 1. */
  BOOL: Uint8Array;
  UINT8: Uint8Array;
  UINT16: Uint16Array;
  UINT32: Uint32Array;
  UINT64: BigUint64Array;
  INT8: Int8Array;
  INT16: Int16Array;
  INT32: Int32Array;
  INT64: BigInt64Array;
  FP16: Float32Array;
  BF16: Float32Array;
  FP32: Float32Array;
  FP64: Float64Array;
  /** One for each element; see {@link texts} for those that are UTF-8. */
  BYTES: Uint8Array[];
}

/** The type of a tensor's elements, in the words of the Open Inference Protocol. */
export type Datatype = keyof Elements;

/** What elements can be given as, beside the array that holds them: plain lists of what they are. */
export interface PlainElements {
  BOOL: readonly boolean[];
  UINT8: readonly number[];
  UINT16: readonly number[];
  UINT32: readonly number[];
  UINT64: readonly bigint[];
  INT8: readonly number[];
  INT16: readonly number[];
  INT32: readonly number[];
  INT64: readonly bigint[];
  FP16: readonly number[];
  BF16: readonly number[];
  FP32: readonly number[];
  FP64: readonly number[];
  BYTES: readonly (string | Uint8Array)[];
}

/** A tensor of an answer: `data` holds its elements row by row. */
export type Tensor<D extends Datatype = Datatype> = {
  readonly [K in D]: {
    readonly datatype: K;
    readonly shape: readonly number[];
    readonly data: Elements[K];
  };
}[D];

/** A tensor of a request: text becomes UTF-8, and numbers are rounded to what FP16 and BF16 can hold. */
export type TensorInput<D extends Datatype = Datatype> = {
  readonly [K in D]: {
    readonly datatype: K;
    readonly shape: readonly number[];
    readonly data: Elements[K] | PlainElements[K];
  };
}[D];

/** A value beside the tensors. Whole numbers are sent as integers. */
export type Parameter = boolean | number | bigint | string;

/** The elements of a tensor of BYTES as texts, which they must be in UTF-8: `texts(answer.LABEL)`. */
export function texts(tensor: Tensor): string[] {
  if (tensor.datatype !== "BYTES") {
    throw new TypeError(`Only BYTES can be texts; this tensor is ${tensor.datatype}.`);
  }
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return tensor.data.map((element) => decoder.decode(element));
}
