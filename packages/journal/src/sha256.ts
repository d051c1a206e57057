/** SHA-256 of the concatenation of the parts: 32 bytes. Comes in from outside: this package has no platform. */
export type Sha256 = (...parts: readonly Uint8Array[]) => Uint8Array;
