// @bank/rpc: The seam between proto and core: codecs, errors, interceptors, servers and transports.
export {};
