import { BatchItemSchema, ExecuteBatchRequestSchema, ExecuteGroupRequestSchema } from "@bank/proto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, it } from "vitest";
import { MessageRules } from "./message-rules.ts";

type ItemInit = MessageInitShape<typeof BatchItemSchema>;

const ID = "00000000-0000-4000-8000-000000000001";
const FINE = { command: { case: "freezeAccount", value: { account: "1" } } } as const satisfies ItemInit;
const BAD = { command: { case: "deposit", value: { account: "" } } } as const satisfies ItemInit;
const NAMELESS = {} satisfies ItemInit;

function batch(...items: ItemInit[]) {
  return create(ExecuteBatchRequestSchema, { items });
}

function group(...items: ItemInit[]) {
  return create(ExecuteGroupRequestSchema, { requestId: ID, items });
}

function groupItem(...items: ItemInit[]): ItemInit {
  return { command: { case: "group", value: group(...items) } };
}

/** The rules of the items are checked whichever message the validator of a process sees first. */
describe.each(["a batch", "a group", "an item"])("where %s comes first, the rules", (first) => {
  let rules: MessageRules;
  const violations = (...args: Parameters<MessageRules["violations"]>) =>
    rules.violations(...args).map(({ field }) => field);

  beforeEach(() => {
    rules = new MessageRules();
    if (first === "a batch") violations(ExecuteBatchRequestSchema, batch(groupItem(FINE)));
    else if (first === "a group") violations(ExecuteGroupRequestSchema, group(FINE));
    else violations(BatchItemSchema, create(BatchItemSchema, groupItem(FINE)));
  });

  it("hold for the items of a group", () => {
    expect(violations(ExecuteGroupRequestSchema, group(FINE, FINE))).toEqual([]);
    expect(violations(ExecuteGroupRequestSchema, group(FINE, BAD, NAMELESS))).toEqual([
      "items[1].deposit.account",
      "items[1].deposit.amount",
      "items[2].command",
    ]);
    expect(violations(ExecuteGroupRequestSchema, group())).toEqual(["items"]);
    expect(violations(ExecuteGroupRequestSchema, group(...new Array<ItemInit>(101).fill(FINE)))).toEqual(["items"]);
  });

  it("hold for the items of a batch, groups and their items included", () => {
    expect(violations(ExecuteBatchRequestSchema, batch(FINE, groupItem(FINE)))).toEqual([]);
    expect(violations(ExecuteBatchRequestSchema, batch(FINE, BAD))).toEqual([
      "items[1].deposit.account",
      "items[1].deposit.amount",
    ]);
    expect(violations(ExecuteBatchRequestSchema, batch(FINE, groupItem(FINE, BAD)))).toEqual([
      "items[1].group.items[1].deposit.account",
      "items[1].group.items[1].deposit.amount",
    ]);
    expect(violations(ExecuteBatchRequestSchema, batch(groupItem()))).toEqual(["items[0].group.items"]);
    expect(violations(ExecuteBatchRequestSchema, batch())).toEqual(["items"]);
  });
});
