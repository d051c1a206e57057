// @bank/proto: The bank's Protocol Buffers and the TypeScript generated from them.
export {};
