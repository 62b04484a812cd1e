/** How a connection is encrypted. */

import { type PathLike, readFileSync } from "node:fs";
import type { SecureClientSessionOptions } from "node:http2";

/** Files in PEM. */
export interface Tls {
  /** Certificates of the authorities that are trusted. Default: those of the system. */
  readonly roots?: PathLike | undefined;
  /** The client's own certificate, for servers that want one. It goes with `key`. */
  readonly certificate?: PathLike | undefined;
  /** The key of `certificate`. */
  readonly key?: PathLike | undefined;
  /** The name that the server's certificate must bear, if it is not the one in the target. */
  readonly serverName?: string | undefined;
}

/**
 * The same for Node.
 *
 * @throws TypeError a certificate is without its key, or the other way round.
 * @throws Error a file can't be read.
 */
export function sessionOptions({ roots, certificate, key, serverName }: Tls): SecureClientSessionOptions {
  if ((certificate === undefined) !== (key === undefined)) {
    throw new TypeError("A client's certificate needs its key, and the key its certificate. Give both or neither.");
  }
  return {
    ...(roots !== undefined && { ca: readFileSync(roots) }),
    ...(certificate !== undefined && { cert: readFileSync(certificate) }),
    ...(key !== undefined && { key: readFileSync(key) }),
    ...(serverName !== undefined && { servername: serverName }),
  };
}
