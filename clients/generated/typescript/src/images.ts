/** Pictures as tensors of their pixels. */

import type { Datatype } from "@jubako/client";
import { type Interface, type TensorData, type TensorType, wrong } from "./model.js";

/**
 * A picture as `ImageData` of browsers holds it, and what decodes pictures in Node: red, green, blue and alpha of each pixel, row by
 * row from the top.
 */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

type Given = TensorData<Datatype> | Pixels | readonly Pixels[] | undefined;

/**
 * The inputs, with tensors in the place of pictures. A model of grey pictures gets the luma of their colours, and only one of four
 * channels their alpha. No picture is scaled.
 *
 * @throws InvalidRequest a picture has another size than it must have, or more or less data than its size says.
 */
export function withImages<I extends object>(model: Interface, given: I): Record<string, TensorData<Datatype> | undefined> {
  const found: Record<string, TensorData<Datatype> | undefined> = {};
  const values = new Map<string, Given>(Object.entries(given));
  for (const [name, type] of Object.entries(model.inputs ?? {})) {
    const value = values.get(name);
    found[name] = value === undefined || "shape" in value ? value : tensor(model, name, type, value);
  }
  return found;
}

function tensor(model: Interface, name: string, type: TensorType, given: Pixels | readonly Pixels[]): TensorData<"UINT8"> {
  const pictures = "width" in given ? [given] : given;
  const [first] = pictures;
  if (first === undefined) {
    throw wrong(model, name, "must hold at least one picture");
  }
  const sizes = new Set(pictures.map(size));
  if (sizes.size > 1) {
    throw wrong(model, name, `must be pictures of one size; theirs are ${[...sizes].join(", ")}`);
  }
  const [height = -1, width = -1, channels = 0] = type.shape;
  if (![-1, first.width].includes(width) || ![-1, first.height].includes(height)) {
    const wanted = [...(width === -1 ? [] : [`${width} pixels wide`]), ...(height === -1 ? [] : [`${height} pixels high`])];
    throw wrong(model, name, `must be ${wanted.join(" and ")}; a picture of ${size(first)} came. Scale or crop it`);
  }
  const pixels = first.width * first.height;
  const data = new Uint8Array(pictures.length * pixels * channels);
  for (const [row, picture] of pictures.entries()) {
    if (picture.data.length !== pixels * 4) {
      throw wrong(model, name, `must hold ${pixels * 4} numbers for ${size(first)} pixels; ${picture.data.length} came`);
    }
    write(picture.data, data, row * pixels * channels, channels);
  }
  const shape = [first.height, first.width, channels];
  return { shape: "width" in given ? shape : [pictures.length, ...shape], data };
}

function size({ width, height }: Pixels): string {
  return `${width} x ${height}`;
}

/** Writes so many channels of each pixel, from `at` on. */
function write(pixels: Pixels["data"], to: Uint8Array, at: number, channels: number): void {
  for (let from = 0, next = at; from < pixels.length; from += 4, next += channels) {
    const [red, green, blue] = [pixels[from] ?? 0, pixels[from + 1] ?? 0, pixels[from + 2] ?? 0];
    if (channels === 1) {
      // ITU-R 601-2, to the nearest, as Pillow's mode L has it.
      to[next] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
    } else {
      to[next] = red;
      to[next + 1] = green;
      to[next + 2] = blue;
    }
    if (channels === 4) {
      to[next + 3] = pixels[from + 3] ?? 0;
    }
  }
}
