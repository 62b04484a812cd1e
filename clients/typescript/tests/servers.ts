/** The servers that the tests ask, as tests/conformance/test_typescript_client.py starts them. */

import { Client } from "@jubako/client";

function told(name: string): string {
  const value = process.env[name];
  if (value === undefined) {
    throw new Error(`${name} is not set. Run these tests by pytest tests/conformance/test_typescript_client.py.`);
  }
  return value;
}

/** Serves smollm2, and models of the backend echo: `echo`, and `slow`, which has one slot and takes its time. */
export const TEXT = told("JUBAKO_TEXT");
/** Serves the models of tests/conformance/tensor_models.py. */
export const TENSORS = told("JUBAKO_TENSORS");
/** Serves with TLS, asks for a client's certificate and for a key, and lets models be loaded. */
export const SECURE = told("JUBAKO_SECURE");
/** The files of the certificates, and the keys. */
export const SECRETS = JSON.parse(told("JUBAKO_SECRETS")) as {
  roots: string;
  certificate: string;
  key: string;
  other: string;
  administrator: string;
  user: string;
};
/** Starts a server of the backend echo on port RESTARTED. */
export const COMMAND = JSON.parse(told("JUBAKO_COMMAND")) as [string, ...string[]];
export const RESTARTED = told("JUBAKO_RESTARTED");

export const text = new Client(TEXT);
export const tensors = new Client(TENSORS);
