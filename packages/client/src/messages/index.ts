/** Between the messages of the wire and the types of the SDK, both ways. Internal. */
export * from "./account.ts";
export * from "./branch.ts";
export * from "./command.ts";
export * from "./consistency.ts";
export * from "./fields.ts";
export * from "./hold.ts";
export * from "./propagation.ts";
export * from "./result.ts";
export * from "./transaction.ts";
