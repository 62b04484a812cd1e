import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, type ClientOptions, Forbidden, JubakoError, Unauthorized, Unreachable } from "@jubako/client";
import { SECRETS, SECURE } from "./servers.js";

const { roots, certificate, key } = SECRETS;
const TLS = { roots, certificate, key };
const ADMINISTRATOR = { tls: TLS, apiKey: SECRETS.administrator };

function client(options: ClientOptions): Client {
  return new Client(SECURE, { retries: 0, ...options });
}

test("an encrypted connection with certificates of both sides", async () => {
  using own = client(ADMINISTRATOR);
  assert.equal((await own.chat("echo", "hello")).text, "hello");
  const stream = own.chatStream("echo", "one two");
  for await (const _ of stream) {
  }
  assert.equal(stream.answer().text, "one two");
});

test("a certificate for another name, where the name is told", async () => {
  const target = SECURE.replace("localhost", "127.0.0.1");
  using other = new Client(target, { ...ADMINISTRATOR, retries: 0 });
  await assert.rejects(other.models(), Unreachable);
  using named = new Client(target, { ...ADMINISTRATOR, tls: { ...TLS, serverName: "localhost" } });
  assert.ok(await named.ready());
});

test("whoever does not belong here is turned away", async () => {
  for (const tls of [{ ...TLS, roots: SECRETS.other }, { roots }, true, false]) {
    using stranger = client({ ...ADMINISTRATOR, tls });
    await assert.rejects(stranger.models(), Unreachable);
  }
  assert.throws(() => client({ tls: { certificate } }), TypeError);
  assert.throws(() => client({ tls: { roots: "no.pem" } }), /no\.pem/);
});

test("keys and their scopes", async () => {
  using nobody = client({ tls: TLS });
  const missing = await nobody.chat("echo", "hello").catch((error: unknown) => error);
  assert.ok(missing instanceof Unauthorized && missing.code === "missing_api_key", String(missing));
  using wrong = client({ tls: TLS, apiKey: "wrong" });
  await assert.rejects(wrong.models(), Unauthorized);

  using user = client({ tls: TLS, apiKey: SECRETS.user });
  assert.equal((await user.chat("echo", "hello")).text, "hello");
  await assert.rejects(user.load("spare"), Forbidden);
});

test("models are loaded, found by their aliases, and unloaded", async () => {
  using own = client(ADMINISTRATOR);
  assert.deepEqual(states(await own.index(), "spare"), ["unloaded"]);
  assert.deepEqual(states(await own.load("spare"), "spare"), ["ready"]);
  assert.ok(await own.ready("spare"));
  assert.ok((await own.index({ ready: true })).some((version) => version.model === "spare"));

  assert.deepEqual((await own.setAlias("spare", "stable", 1)).aliases, ["stable"]);
  assert.equal((await own.chat("spare@stable", "hello")).text, "hello");
  assert.equal((await own.model("spare@stable")).version, 1);
  await own.deleteAlias("spare", "stable");
  await assert.rejects(own.chat("spare@stable", "hello"), JubakoError);

  await own.unload("spare");
  assert.equal(await own.ready("spare"), false);
  assert.deepEqual(states(await own.versions("spare"), "spare"), ["unloaded"]);
});

function states(versions: readonly { readonly model: string; readonly state: string }[], model: string): string[] {
  return versions.filter((version) => version.model === model).map((version) => version.state);
}
