import { BankError } from "@bank/client";
import { describe, expect, it } from "vitest";
import { type FailedCommand, failureReport } from "./failure-report.ts";

const ID = "3f0c8a52-6a1e-4c57-9d0b-6a1f6f1c2b11";

const command: FailedCommand = {
  words: ["deposit", "1", "5", "--server", "b:1"],
  prefix: "bank ",
  helpCommand: "bank deposit --help",
  requestId: ID,
  requestIdGiven: false,
  interruptedBy: undefined,
};

function bankError(parts: Partial<BankError> = {}): BankError {
  return new BankError({
    code: "UNAVAILABLE",
    reason: "CONNECTION_LOST",
    message: "The connection was lost.",
    metadata: { outcome: "OUTCOME_UNKNOWN" },
    outcome: "OUTCOME_UNKNOWN",
    requestId: ID,
    attempts: 3,
    ...parts,
  });
}

describe("what a failure says", () => {
  it("when the outcome is unknown: the request id, and how to find out", () => {
    const report = failureReport(bankError(), command);
    expect(report.exitCode).toBe(3);
    expect(report.text).toBe(
      [
        "bank: The connection was lost.",
        "      Whether it was done is not known.",
        `      Request id: ${ID}`,
        "      The same command with this id finds out, and is done once at the most:",
        `        bank deposit 1 5 --server b:1 --request-id ${ID}`,
        "",
      ].join("\n"),
    );
    expect(report.document).toEqual({
      code: "UNAVAILABLE",
      reason: "CONNECTION_LOST",
      message: "The connection was lost.",
      metadata: { outcome: "OUTCOME_UNKNOWN", request_id: ID },
    });
  });

  it("when the outcome of a cancellation is unknown: that it can be run again", () => {
    expect(failureReport(bankError(), { ...command, requestId: undefined }).text).toBe(
      "bank: The connection was lost.\n      Whether it was done is not known: the same command again finds out.\n",
    );
  });

  it.each(["NOT_READY", "TOO_FEW_BRANCHES"])("when branches are missing (%s): how to see which", (reason) => {
    const { text } = failureReport(bankError({ reason, outcome: "NOT_APPLIED" }), { ...command, requestId: undefined });
    expect(text).toContain("\n      `bank branches --consistency local` shows which branches are connected.\n");
  });

  it("of a group tells programs the item, and of a malformed request the fields that the message does not tell", () => {
    const violations = [
      { field: "alias", description: "is too long" },
      { field: "owner", description: "is too long" },
    ];
    const refused = new BankError({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_REQUEST",
      message: "The request is malformed: alias: is too long.",
      metadata: { problem: "alias: is too long", a: "1" },
      outcome: "NOT_APPLIED",
      attempts: 1,
      item: 2,
      violations,
    });
    const { text, document } = failureReport(refused, command);
    expect(text).toBe("bank: The request is malformed: alias: is too long.\n      owner: is too long\n");
    expect(document).toMatchObject({ item: 2, violations });
    expect(Object.keys(document["metadata"] as object)).toEqual(["a", "problem"]);
  });

  it("repeats the words as a shell needs them, and names an id only once", () => {
    const words = ["account", "open", "--owner", "Ada's", "--request-id", ID];
    const { text } = failureReport(bankError(), { ...command, words, requestIdGiven: true, prefix: "" });
    expect(text).toContain(`\n        account open --owner 'Ada'\\''s' --request-id ${ID}\n`);
  });

  it("when nothing was done: so, and what to do", () => {
    const failed = bankError({ reason: "CONNECTION_FAILED", outcome: "NOT_APPLIED", message: "No connection to b." });
    const { text, document } = failureReport(failed, command);
    expect(text).toBe(
      [
        "bank: No connection to b.",
        "      Nothing was done.",
        "      Is the bank running? `npm start` starts one; --server or BANK_SERVER names another.",
        `      Request id: ${ID}`,
        "      The same command with this id finds out, and is done once at the most:",
        `        bank deposit 1 5 --server b:1 --request-id ${ID}`,
        "",
      ].join("\n"),
    );
    expect(document["metadata"]).toEqual({ outcome: "NOT_APPLIED", request_id: ID });
    const read = failureReport(failed, { ...command, requestId: undefined });
    expect(read.text).not.toContain("Nothing was done.");
    expect(read.document["metadata"]).not.toHaveProperty("request_id");
  });

  it("with a given id: that an earlier run may have done it, whatever this one says of itself", () => {
    const failed = bankError({ reason: "CONNECTION_FAILED", outcome: "NOT_APPLIED", requestId: undefined });
    const { text, document } = failureReport(failed, { ...command, requestIdGiven: true });
    expect(text).toContain("This try did nothing; whether an earlier one did is not known.");
    expect(document["metadata"]).toEqual({ outcome: "OUTCOME_UNKNOWN", request_id: ID });
  });

  it("when it was interrupted", () => {
    const canceled = bankError({ code: "CANCELED", reason: "CANCELED", message: "The call was canceled." });
    const report = failureReport(canceled, { ...command, interruptedBy: "SIGINT" });
    expect(report).toMatchObject({ exitCode: 130, document: { code: "CANCELED", reason: "INTERRUPTED" } });
    expect(report.text).toMatch(
      /^bank: Interrupted\.\n {6}Whether it was done is not known\.\n {6}Request id: 3f0c8a52/,
    );
    expect(failureReport(canceled, { ...command, interruptedBy: "SIGTERM" }).exitCode).toBe(143);
    const read = bankError({ code: "CANCELED", reason: "CANCELED", outcome: "NOT_APPLIED", message: "x" });
    expect(failureReport(read, { ...command, requestId: undefined, interruptedBy: "SIGINT" }).text).toBe(
      "bank: Interrupted.\n",
    );
  });

  it("when the program itself is at fault: where", () => {
    const report = failureReport(new Error("undefined is not 7"), command);
    expect(report).toMatchObject({ exitCode: 3, document: { code: "INTERNAL", reason: "INTERNAL" } });
    expect(report.text).toMatch(
      /^bank: undefined is not 7\n {6}This is a fault in the program\.\n {6}at .*failure-report/,
    );
  });

  it("when the system refuses: its words", () => {
    const taken = Object.assign(new Error("listen EADDRINUSE: address already in use"), { syscall: "listen" });
    expect(failureReport(taken, command)).toMatchObject({
      exitCode: 3,
      text: "bank: listen EADDRINUSE: address already in use\n",
    });
  });

  it("when two things went wrong: both", () => {
    const both = new AggregateError([new Error("no answer"), new Error("still there")], "the run failed");
    expect(failureReport(both, command).document).toMatchObject({ message: "the run failed: no answer: still there" });
  });

  it("on one line, whatever somebody put into it", () => {
    const { text } = failureReport(bankError({ outcome: "REJECTED", message: "a\nb\u001b[31m\u202e" }), command);
    expect(text).toBe("bank: a\\u{a}b\\u{1b}[31m\\u{202e}\n");
  });
});
