import { RecordList } from "@bank/core";
import { expect, test } from "vitest";
import { checkBatch } from "./check-batch.ts";
import { JournalFormatError } from "./errors.ts";
import { HEADER, transfer } from "./sample-records.test-util.ts";

test.each([[-1n], [-(2n ** 63n)], [-(2n ** 32n)]])("a batch in columns has no amount of %s", (amount) => {
  const records = RecordList.of([transfer(undefined), transfer(undefined)]);
  const header = { ...HEADER, count: records.length };
  expect(() => checkBatch({ header, records })).not.toThrow();
  records.amounts[1] = 2n ** 63n - 1n;
  expect(() => checkBatch({ header, records })).not.toThrow();
  records.amounts[1] = amount;
  expect(() => checkBatch({ header, records })).toThrow(new JournalFormatError("an amount has 63 bits"));
});
