import { assert } from "./assert.ts";

/*
 * Columns of 64-bit numbers are read as pairs of 32-bit words in the same memory, and request ids as words of their bytes.
 * That gives the same everywhere only where the low end comes first, as on every machine that Node.js is built for but one.
 */
assert(new Uint8Array(Int32Array.of(1).buffer)[0] === 1, "this machine stores the low end of a number first");
