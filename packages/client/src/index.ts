// @bank/client: The client SDK.
export {};
