/** What the classes of the models are made of: the interfaces that they were made for, and what checks them. */

import {
  type Client,
  type Datatype,
  type Elements,
  type InferOptions,
  InternalError,
  InvalidRequest,
  type ModelVersion,
  type PlainElements,
  type Task,
  type Tensor,
  type TensorInput,
} from "@jubako/client";

/** An input or output. */
export interface TensorType {
  readonly datatype: Datatype;
  /** Without the batch dimension; -1 is any length. */
  readonly shape: readonly number[];
  /** Whether a request may leave the input out. */
  readonly optional?: boolean;
  /** The names of the classes along the last dimension of an output. */
  readonly labels?: readonly string[];
  /** "image" where an input, or each row of it, is a picture. */
  readonly content?: string;
}

/** What a model takes and gives. */
export interface Interface {
  readonly name: string;
  /** What the server says of a model that has this interface. */
  readonly digest: string;
  readonly tasks: readonly Task[];
  readonly inputs?: Readonly<Record<string, TensorType>>;
  readonly outputs?: Readonly<Record<string, TensorType>>;
  /** Whether each tensor has the batch as its first dimension, before those of its shape. */
  readonly batched?: boolean;
  /** Whether a request has any number of answers. */
  readonly decoupled?: boolean;
}

/** A tensor of a request. `data` holds the elements row by row; numbers are rounded to what FP16 and BF16 can hold. */
export interface TensorData<D extends Datatype> {
  readonly shape: readonly number[];
  readonly data: Elements[D] | PlainElements[D];
}

/** What a request for tensors can be told beside them. */
export type TensorOptions = Omit<InferOptions, "outputs">;

/** A version of a model, by its number or by an alias. */
export type Which<V extends number, A extends string> = { readonly version: V } | { readonly alias: A };

/** A model, asked through a client. */
export class Model {
  readonly client: Client;
  /** The name by which it is asked for. */
  readonly name: string;

  constructor(client: Client, name: string) {
    this.client = client;
    this.name = name;
  }
}

/** The name of one version of a model. */
export function versionName(name: string, which: Which<number, string>): string {
  return "alias" in which ? `${name}@${which.alias}` : `${name}:${which.version}`;
}

/**
 * The inputs as the client takes them.
 *
 * @throws InvalidRequest one has another shape than the model takes, or as many elements as no such shape has.
 */
export function tensorInputs<I extends object>(model: Interface, given: I): Record<string, TensorInput> {
  const found: Record<string, TensorInput> = {};
  const values = new Map<string, TensorData<Datatype> | undefined>(Object.entries(given));
  for (const [name, type] of Object.entries(model.inputs ?? {})) {
    const value = values.get(name);
    if (value === undefined) {
      if (type.optional !== true) {
        throw wrong(model, name, "is missing");
      }
      continue;
    }
    checkShape(model, name, type, value);
    // The types of the arguments have seen to it that the elements are those of the datatype.
    found[name] = { datatype: type.datatype, shape: value.shape, data: value.data } as TensorInput;
  }
  return found;
}

/**
 * The outputs as the types of the package have them.
 *
 * @throws InternalError the server leaves one out, or gives it with another datatype.
 */
export function tensorOutputs<O extends object>(model: Interface, found: Readonly<Record<string, Tensor>>): O {
  for (const [name, type] of Object.entries(model.outputs ?? {})) {
    const given = found[name]?.datatype;
    if (given === undefined) {
      throw new InternalError(`The answer of '${model.name}' lacks the output '${name}', which it names.`, { param: name });
    }
    if (given !== type.datatype) {
      const about = `The output '${name}' of '${model.name}' should be ${type.datatype}, but the server gave ${given}.`;
      throw new InternalError(`${about} The model has changed since this package was made; make it again.`, { param: name });
    }
  }
  return found as O;
}

/** What has changed on a server since this package was made, a sentence for each model. */
export function changes(made: readonly Interface[], served: readonly ModelVersion[]): string[] {
  const byName = new Map(served.map((version) => [version.model, version]));
  return made.flatMap((model) => {
    const version = byName.get(model.name);
    if (version === undefined) {
      return [`The server has no model '${model.name}'.`];
    }
    // The server does not know the tensors of a model that has not been loaded.
    const same = version.interfaceDigest === "" || version.interfaceDigest === model.digest;
    return same ? [] : [difference(model, version)];
  });
}

function checkShape(model: Interface, name: string, type: TensorType, value: TensorData<Datatype>): void {
  const expected = model.batched === true ? [-1, ...type.shape] : type.shape;
  const fits = expected.length === value.shape.length && expected.every((size, at) => size === -1 || size === value.shape[at]);
  if (!fits) {
    const words = type.shape.map((size) => (size === -1 ? "any" : `${size}`));
    const shape = model.batched === true ? ["batch", ...words] : words;
    throw wrong(model, name, `must have the shape [${shape.join(", ")}]; [${value.shape.join(", ")}] came`);
  }
  const count = value.shape.reduce((product, size) => product * size, 1);
  if (value.data.length !== count) {
    throw wrong(model, name, `of shape [${value.shape.join(", ")}] must hold ${count} elements; ${value.data.length} came`);
  }
}

/** That an input is not as it must be; `what` goes on from its name. */
export function wrong(model: Interface, name: string, what: string): InvalidRequest {
  return new InvalidRequest(`The input '${name}' of '${model.name}' ${what}.`, { param: name });
}

function difference(model: Interface, version: ModelVersion): string {
  const mine = linesOfInterface(model);
  const theirs = linesOfVersion(version);
  const gone = mine.filter((line) => !theirs.includes(line)).map(short);
  const added = theirs.filter((line) => !mine.includes(line)).map(short);
  const said = [`The model '${model.name}' has changed.`];
  return [...said, ...sentence("Gone", gone), ...sentence("New", added)].join(" ");
}

function sentence(word: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${word}: ${lines.join("; ")}.`];
}

function linesOfInterface(model: Interface): string[] {
  const lines = firstLines(model.tasks, model.batched === true, model.decoupled === true);
  const inputs = Object.entries(model.inputs ?? {}).map(([name, type]) => tensorLine("input", name, type));
  const outputs = Object.entries(model.outputs ?? {}).flatMap(([name, type]) => outputLines(name, type));
  return [...lines, ...inputs, ...outputs];
}

function linesOfVersion({ tasks, signature }: ModelVersion): string[] {
  const lines = firstLines(tasks, (signature?.maxBatchSize ?? 0) > 0, signature?.decoupled === true);
  const inputs = (signature?.inputs ?? []).map((spec) => tensorLine("input", spec.name, spec));
  const outputs = (signature?.outputs ?? []).flatMap((spec) => outputLines(spec.name, spec));
  return [...lines, ...inputs, ...outputs];
}

function firstLines(tasks: readonly string[], batched: boolean, decoupled: boolean): string[] {
  const lines = tasks.map((task) => `task ${task}`);
  return [...lines, ...(batched ? ["batch dimension"] : []), ...(decoupled ? ["any number of answers"] : [])];
}

interface Described {
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly optional?: boolean;
  readonly labels?: readonly string[];
}

function outputLines(name: string, type: Described): string[] {
  const labels = type.labels ?? [];
  const said = labels.length === 0 ? [] : [`labels of '${name}': ${JSON.stringify(labels)}`];
  return [tensorLine("output", name, type), ...said];
}

function tensorLine(kind: string, name: string, type: Described): string {
  return `${kind} '${name}' ${type.datatype} [${type.shape.join(", ")}]${type.optional === true ? " optional" : ""}`;
}

function short(line: string): string {
  return line.length <= 160 ? line : `${line.slice(0, 157)}...`;
}
