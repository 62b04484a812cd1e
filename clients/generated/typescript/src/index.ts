/**
 * Models of jubako, with their types. Made by `jubako client generate`, which makes the same of the same models: change nothing here.
 *
 * @packageDocumentation
 */

export type { Pixels } from "./images.js";
export type { Interface, TensorData, TensorOptions, TensorType, Which } from "./model.js";
export * from "./models.js";
