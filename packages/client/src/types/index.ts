/** What goes into the calls of the SDK and what comes out of them. All of it is public. */
export type * from "./account.ts";
export type * from "./branch.ts";
export type * from "./call.ts";
export type * from "./command.ts";
export type * from "./consistency.ts";
export type * from "./hold.ts";
export type * from "./outcome.ts";
export type * from "./propagation.ts";
export type * from "./transaction.ts";
