import {
  BatchItemSchema,
  ExecuteBatchRequestSchema,
  ExecuteGroupRequestSchema,
  ExecuteMovementsRequestSchema,
  PipelineRequestSchema,
  ProbeRequestSchema,
  SubmitMovementsRequestSchema,
  SubmitRequestSchema,
} from "@bank/proto";
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { beforeEach, describe, expect, it } from "vitest";
import { wronglyCounted } from "./message-counts.ts";
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

/** Whoever looks at one of them fails. */
const UNSEEN = new Proxy({} as never, {
  get: (_, name) => {
    throw new Error(`somebody has looked for ${String(name)}`);
  },
});

it.each([
  [ExecuteBatchRequestSchema, "items", 10_000],
  [ExecuteGroupRequestSchema, "items", 100],
  [ExecuteMovementsRequestSchema, "debitAccounts", 10_000],
] as const)("%s: entries beyond what a list may have are counted, and not looked at", (type, list, max) => {
  const message = create(type);
  Object.assign(message, { [list]: new Array<never>(max + 1).fill(UNSEEN) });
  const [field] = type.fields.filter(({ localName }) => localName === list).map(({ name }) => name);
  expect(new MessageRules().violations(type, message)).toEqual([
    { field, description: `must contain no more than ${max} item(s)` },
  ]);
});

it("commands inside groups are counted with those of their batch, and not looked at where they are too many", () => {
  const full = groupItem();
  if (full.command?.case === "group") full.command.value.items = new Array<never>(100).fill(UNSEEN);
  const items = create(ExecuteBatchRequestSchema, { items: [FINE] }).items.concat(
    new Array(100).fill(create(BatchItemSchema, full)),
  );
  const message = create(ExecuteBatchRequestSchema);
  message.items = items;
  const description = "must have at most 10000 commands, those inside groups counted, not 10001";
  expect(new MessageRules().violations(ExecuteBatchRequestSchema, message)).toEqual([{ field: "items", description }]);
});

it("lists are counted as the validator counts them", () => {
  const validator = createValidator();
  for (const type of [SubmitRequestSchema, SubmitMovementsRequestSchema, PipelineRequestSchema, ProbeRequestSchema]) {
    for (const count of [0, 1, 1_000, 1_001, 10_000, 10_001]) {
      for (const list of type.fields.filter(({ fieldKind }) => fieldKind === "list")) {
        const message = create(type);
        const entry = create(list.message as DescMessage);
        Object.assign(message, { [list.localName]: new Array<object>(count).fill(entry) });
        const expected = validator
          .validate(type, message)
          .violations?.filter(({ ruleId }) => ruleId.startsWith("repeated."))
          .map((found) => ({ field: pathToString(found.field), description: found.message }));
        expect(wronglyCounted(type, message)).toEqual(expected ?? []);
      }
    }
  }
});
