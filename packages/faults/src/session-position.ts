import { decodeSession } from "@bank/rpc";

/** The highest position that a token names; undefined for none. */
export function sessionPosition(token: string | undefined): number | undefined {
  if (token === undefined) return undefined;
  return Math.max(...decodeSession(token).seen.map(({ position }) => position));
}
