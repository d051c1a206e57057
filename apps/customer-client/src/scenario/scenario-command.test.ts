import { chmod, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCommand, TextCollector } from "./command.test-util.ts";
import { MemoryScenarioBank } from "./memory-scenario-bank.test-util.ts";
import { runScenarioFile } from "./scenario-command.ts";
import { ScenarioFileError } from "./scenario-error.ts";

const INPUT = `[
  {"id": 1, "type": "customer", "events": [{"interface": "withdraw", "money": 11}, {"interface": "query"}]},
  {"id": 1, "type": "branch", "balance": 10}]`;

const OUTPUT = [
  {
    id: 1,
    recv: [
      { interface: "withdraw", result: "fail" },
      { interface: "query", balance: 10 },
    ],
  },
];

let folder: string;
let inputPath: string;
let outPath: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bank-scenario-"));
  inputPath = join(folder, "in.json");
  outPath = join(folder, "out.json");
  await writeFile(inputPath, INPUT);
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe("runScenarioFile", () => {
  it("prints the output and nothing else, exits with 0 for a rejected withdrawal, and closes the bank", async () => {
    const run = await runCommand({ inputPath });
    expect(JSON.parse(run.stdout)).toEqual(OUTPUT);
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(run.banks.map((bank) => bank.closed)).toEqual([1]);
  });

  it("writes the output to a file, replacing an old one, and prints nothing", async () => {
    await writeFile(outPath, "old");
    const run = await runCommand({ inputPath, outPath });
    expect(run).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    expect(JSON.parse(await readFile(outPath, "utf8"))).toEqual(OUTPUT);
    expect(await readdir(folder)).toEqual(["in.json", "out.json"]);
  });

  it("adds balances and runs concurrently when told so", async () => {
    const run = await runCommand({ inputPath, balances: true, concurrent: true });
    expect(JSON.parse(run.stdout)[0].recv[0]).toEqual({ interface: "withdraw", result: "fail", balance: 10 });
  });

  it("starts the bank with the scenario of the file", async () => {
    const sink = new TextCollector();
    const bank = new MemoryScenarioBank();
    let branches: readonly number[] = [];
    await runScenarioFile({
      inputPath,
      stdout: sink,
      stderr: sink,
      startBank: async (scenario) => {
        branches = scenario.branches;
        return bank;
      },
    });
    expect(branches).toEqual([1]);
  });

  it("returns only when its text is written", async () => {
    let finish: (() => void) | undefined;
    const written = new Promise<string>((resolve) => {
      const stdout = {
        write(text: string, done: () => void): void {
          finish = done;
          resolve(text);
        },
      };
      void runScenarioFile({ inputPath, stdout, stderr: stdout, startBank: async () => new MemoryScenarioBank() }).then(
        () => (returned = true),
      );
    });
    let returned = false;
    await written;
    await Promise.resolve();
    expect(returned).toBe(false);
    finish?.();
    await expect.poll(() => returned).toBe(true);
  });

  it("passes on that nobody reads its output", async () => {
    const closed = { write: (_: string, done: (error?: Error) => void): void => done(new Error("EPIPE")) };
    const running = runScenarioFile({
      inputPath,
      stdout: closed,
      stderr: closed,
      startBank: async () => new MemoryScenarioBank(),
    });
    await expect(running).rejects.toThrow("EPIPE");
  });
});

describe("runScenarioFile with a bad input", () => {
  it("prints one message, exits with 2, starts nothing, and touches no output file", async () => {
    await writeFile(inputPath, INPUT.replace("11", "0.001"));
    await writeFile(outPath, "old");
    const run = await runCommand({ inputPath, outPath });
    expect(run.stderr).toBe(`${inputPath}:2:79: money has at most 2 decimals in USD, and 0.001 has more\n`);
    expect(run).toMatchObject({ exitCode: 2, stdout: "", banks: [] });
    expect(await readFile(outPath, "utf8")).toBe("old");
    expect(await readdir(folder)).toEqual(["in.json", "out.json"]);
  });

  it("creates no output file", async () => {
    await writeFile(inputPath, "");
    const run = await runCommand({ inputPath, outPath });
    expect(run).toMatchObject({ exitCode: 2, stderr: `${inputPath}:1:1: the file is empty\n` });
    expect(await readdir(folder)).toEqual(["in.json"]);
  });

  it("refuses a file that never ends without reading it all", async () => {
    const run = await runCommand({ inputPath: "/dev/zero" });
    expect(run).toMatchObject({ exitCode: 2, stderr: "/dev/zero:1:1: the file is larger than 16 MiB\n" });
  });

  it.each([
    ["is missing", () => join(folder, "none.json"), "cannot be read: no such file or folder"],
    ["is a folder", () => folder, "cannot be read: it is a folder"],
    ["is inside a file", () => join(inputPath, "x"), "cannot be read: a part of its path is not a folder"],
  ])("says that the input %s", async (_, path, words) => {
    const run = await runCommand({ inputPath: path() });
    expect(run).toMatchObject({ exitCode: 2, stdout: "", stderr: `${path()}: ${words}\n`, banks: [] });
  });
});

describe("runScenarioFile with an output that cannot be written", () => {
  it.each([
    ["its folder is missing", () => join(folder, "none", "out.json"), "cannot be written: no such file or folder"],
    ["it is a folder", () => folder, "cannot be written: it is a folder"],
    ["it is the input", () => inputPath, "cannot be written: it is the input file"],
    ["it is inside a file", () => join(inputPath, "out.json"), "cannot be written: a part of its path is not a folder"],
  ])("starts nothing and exits with 2 when %s", async (_, path, words) => {
    const run = await runCommand({ inputPath, outPath: path() });
    expect(run).toMatchObject({ exitCode: 2, stdout: "", stderr: `${path()}: ${words}\n`, banks: [] });
    expect(await readFile(inputPath, "utf8")).toBe(INPUT);
  });

  it("recognises the input behind a symbolic link", async () => {
    await symlink(inputPath, outPath);
    const run = await runCommand({ inputPath, outPath });
    expect(run).toMatchObject({ exitCode: 2, stderr: `${outPath}: cannot be written: it is the input file\n` });
  });

  it("rejects when the output could be written before the run, but not after", async () => {
    const sub = join(folder, "sub");
    await mkdir(sub);
    const bank = new MemoryScenarioBank();
    bank.before = () => rm(sub, { recursive: true, force: true });
    const running = runCommand({ inputPath, outPath: join(sub, "out.json") }, bank);
    await expect(running).rejects.toThrow(ScenarioFileError);
    await expect(running).rejects.toThrow("out.json: cannot be written: no such file or folder");
    expect(bank.closed).toBe(1);
  });

  it("keeps the mode of the file that it replaces", async () => {
    await writeFile(outPath, "old");
    await chmod(outPath, 0o600);
    expect(await runCommand({ inputPath, outPath })).toMatchObject({ exitCode: 0 });
  });
});

describe("runScenarioFile when the bank fails", () => {
  const failing = (): MemoryScenarioBank => {
    const bank = new MemoryScenarioBank();
    bank.before = async (call) => {
      if (call.includes("balance")) throw new Error("no answer");
    };
    return bank;
  };

  it("rejects with the bank's error, closes it, and touches no output file", async () => {
    await writeFile(outPath, "old");
    const bank = failing();
    await expect(runCommand({ inputPath, outPath }, bank)).rejects.toThrow("no answer");
    expect(bank.closed).toBe(1);
    expect(await readFile(outPath, "utf8")).toBe("old");
    expect(await readdir(folder)).toEqual(["in.json", "out.json"]);
  });

  it("writes nothing when the bank cannot be closed", async () => {
    const bank = new MemoryScenarioBank();
    bank.close = () => Promise.reject(new Error("still there"));
    await expect(runCommand({ inputPath, outPath }, bank)).rejects.toThrow("still there");
    expect(await readdir(folder)).toEqual(["in.json"]);
  });

  it("names both errors when closing fails too", async () => {
    const bank = failing();
    bank.close = () => Promise.reject(new Error("still there"));
    const error: unknown = await runCommand({ inputPath }, bank).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AggregateError);
    expect(error).toMatchObject({ errors: [{ message: "no answer" }, { message: "still there" }] });
  });

  it("rejects when no bank starts", async () => {
    const sink = new TextCollector();
    const startBank = (): Promise<never> => Promise.reject(new Error("no port"));
    await expect(runScenarioFile({ inputPath, stdout: sink, stderr: sink, startBank })).rejects.toThrow("no port");
    expect(sink.text).toBe("");
  });
});
