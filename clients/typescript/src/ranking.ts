/** How well documents answer queries, which classes texts belong to, and vectors for texts. */

import type { EmbedResponse } from "./protos/jubako/v1/embedding_pb.js";
import type { ClassifyResponse, RerankResponse } from "./protos/jubako/v1/rerank_pb.js";

/** A document in its place. */
export interface RankedDocument {
  /** Its place in the request. */
  readonly index: number;
  /** The higher, the better it answers. */
  readonly relevanceScore: number;
  /** Its text; undefined where it was not wanted. */
  readonly document: string | undefined;
}

/** The classes of one text. */
export interface Classification {
  /** The most likely one. */
  readonly label: string;
  /** The probability of each class. */
  readonly probabilities: ReadonlyMap<string, number>;
}

export function ranked(given: RerankResponse): RankedDocument[] {
  return given.results.map(({ index, relevanceScore, document }) => ({ index, relevanceScore, document }));
}

export function classifications(given: ClassifyResponse): Classification[] {
  return given.classifications.map(({ label, probabilities }) => ({
    label,
    probabilities: new Map(given.labels.map((name, place) => [name, probabilities[place] ?? 0])),
  }));
}

export function vectors(given: EmbedResponse): Float32Array[] {
  return given.embeddings.map(({ values }) => Float32Array.from(values));
}
