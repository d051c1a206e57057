import { type Ran, runHere } from "@bank/testkit";
import { afterEach, describe, expect, it, vi } from "vitest";
import { program } from "./program.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

function run(...words: string[]): Promise<Ran> {
  return runHere(() => program().parseAsync(["node", "bank-server", ...words]));
}

/** The settings that `--print-config` shows, by flag. */
function settingsOf({ stdout }: Ran): Record<string, string> {
  const lines = stdout.trimEnd().split("\n");
  return Object.fromEntries(lines.map((line) => [line.split(/\s+/)[0] as string, line.replace(/^\S+\s+/, "")]));
}

describe("bank-server, asked for what it would do,", () => {
  it("prints every setting and where it comes from, a flag before the environment before the default", async () => {
    vi.stubEnv("BANK_LISTEN", "127.0.0.1:7");
    vi.stubEnv("BANK_DATA", "/somewhere");
    vi.stubEnv("BANK_REQUIRE_WITNESS", "2");
    const ran = await run("--print-config", "--listen", "[::1]:0", "--snapshot-every", "5");
    expect(ran).toMatchObject({ exitCode: undefined, stderr: "" });
    expect(settingsOf(ran)).toEqual({
      "--listen": expect.stringMatching(/^\[::1\]:0 +flag$/),
      "--advertise": expect.stringMatching(/^http:\/\/\[::1\]:0 +default$/),
      "--data": expect.stringMatching(/^\/somewhere +environment \(BANK_DATA\)$/),
      "--store": expect.stringMatching(/^sqlite:\/somewhere +default$/),
      "--insecure": expect.stringMatching(/^false +default$/),
      "--snapshot-every": expect.stringMatching(/^5 +flag$/),
      "--min-free-space": expect.stringMatching(/^268435456 +default$/),
      "--witness-timeout": expect.stringMatching(/^5000 +default$/),
      "--require-witness": expect.stringMatching(/^2 +environment \(BANK_REQUIRE_WITNESS\)$/),
      "--raise-format-level": expect.stringMatching(/^false +default$/),
      "--cold-standby": expect.stringMatching(/^false +default$/),
      "--no-quick-unary": expect.stringMatching(/^false +default$/),
    });
    for (const [size, bytes] of [
      ["0", "0"],
      ["1GiB", "1073741824"],
      ["134217728", "134217728"],
    ] as const)
      expect(settingsOf(await run("--print-config", "--min-free-space", size))["--min-free-space"]).toMatch(
        new RegExp(`^${bytes} +flag$`),
      );
    vi.stubEnv("BANK_RAISE_FORMAT_LEVEL", "yes");
    expect(settingsOf(await run("--print-config"))["--raise-format-level"]).toMatch(/^true +environment/);
  });

  it("takes an address for others with and without a scheme", async () => {
    const advertised = async (url: string) =>
      settingsOf(await run("--print-config", "--advertise", url))["--advertise"];
    expect(await advertised("bank.example:443")).toMatch(/^http:\/\/bank.example:443 +flag$/);
    expect(await advertised("https://bank.example")).toMatch(/^https:\/\/bank.example +flag$/);
    vi.stubEnv("BANK_ADVERTISE", "http://10.0.0.7:50051");
    expect(settingsOf(await run("--print-config"))["--advertise"]).toMatch(/^http:\/\/10.0.0.7:50051 +environment/);
  });

  it("shows no password", async () => {
    const shown = await run("--print-config", "--store", "postgres://bank:se/cr@et@db.example/money?schema=two");
    expect(settingsOf(shown)["--store"]).toMatch(/^postgres:\/\/…@db.example\/money\?schema=two +flag$/);
  });

  it("says what a flag takes away", async () => {
    const quickUnary = async (...words: string[]) =>
      settingsOf(await run("--print-config", ...words))["--no-quick-unary"];
    expect(await quickUnary("--no-quick-unary")).toMatch(/^true +flag$/);
    vi.stubEnv("BANK_NO_QUICK_UNARY", "1");
    expect(await quickUnary()).toMatch(/^true +environment/);
    vi.stubEnv("BANK_NO_QUICK_UNARY", "off");
    expect(await quickUnary()).toMatch(/^false +default$/);
  });

  it("listens where other machines can reach it only if it is told that this is safe", async () => {
    for (const listen of ["0.0.0.0:0", "[::]:0", "192.168.0.1:50051", "bank.example:50051", "127.0.0.1.example:1"]) {
      const refused = await run("--print-config", "--listen", listen);
      expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
      expect(refused.stderr).toContain("say --insecure if the network is yours alone");
      expect(await run("--print-config", "--listen", listen, "--insecure")).toMatchObject({ exitCode: undefined });
    }
    for (const listen of ["127.0.0.1:0", "127.9.9.9:1", "[::1]:1", "localhost:65535"])
      expect(await run("--print-config", "--listen", listen)).toMatchObject({ exitCode: undefined });
  });

  it.each([
    ["1", true],
    ["true", true],
    ["yes", true],
    ["0", false],
    ["false", false],
    ["NO", false],
    ["off", false],
    ["", false],
  ])("takes BANK_INSECURE=%s for %s", async (value, isOn) => {
    vi.stubEnv("BANK_INSECURE", value);
    const ran = await run("--print-config", "--listen", "0.0.0.0:0");
    expect(ran.exitCode).toBe(isOn ? undefined : 2);
    if (isOn) expect(settingsOf(ran)["--insecure"]).toMatch(/^true +environment \(BANK_INSECURE\)$/);
  });
});

describe("bank-server ends with exit code 2", () => {
  it.each([
    ["an unknown flag", "--lissen"],
    ["a flag without its value", "--listen"],
    ["an address without a port", "--listen", "127.0.0.1"],
    ["a port that is none", "--listen", "127.0.0.1:65536"],
    ["an address for others that is no URL", "--advertise", "the bank"],
    ["an address for others with a path", "--advertise", "http://bank.example:50051/v1"],
    ["an address for others that is every address", "--advertise", "http://0.0.0.0:50051"],
    ["the same in the newer kind", "--advertise", "[::]:50051"],
    ["an address for others at port 0", "--advertise", "bank.example:0"],
    ["no snapshots ever", "--snapshot-every", "0"],
    ["half a record", "--snapshot-every", "1.5"],
    ["a mark for free space that is too low", "--min-free-space", "127MiB"],
    ["half a byte", "--min-free-space", "0.5"],
    ["a mark for free space beyond all disks", "--min-free-space", "999999999999999TiB"],
    ["a negative time", "--witness-timeout", "-1"],
    ["no number", "--require-witness", "one"],
    ["an unknown command", "hael"],
    ["heal without a branch", "heal"],
    ["heal from no URL", "heal", "--from", "branch 1:x"],
    ["accept-loss with an argument", "accept-loss", "now"],
  ])("for %s", async (_, ...words) => {
    const { exitCode, stdout, stderr } = await run(...words);
    expect([exitCode, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^error: /);
  });

  it("for an environment that makes no sense, naming the variable", async () => {
    vi.stubEnv("BANK_WITNESS_TIMEOUT", "soon");
    const { exitCode, stderr } = await run("--print-config");
    expect(exitCode).toBe(2);
    expect(stderr).toContain("BANK_WITNESS_TIMEOUT");
  });
});

it("bank-server --help says what there is, and is no error", async () => {
  const { exitCode, stdout } = await run("--help");
  expect(exitCode).toBe(0);
  for (const word of [
    "--listen",
    "BANK_LISTEN",
    "--advertise",
    "BANK_ADVERTISE",
    "--require-witness",
    "--raise-format-level",
    "heal",
    "accept-loss",
  ])
    expect(stdout).toContain(word);
});

describe("bank-server migrate", () => {
  it.each([
    [[], /say with --store which database/],
    [["--store", "sqlite:data"], /another kind of store/],
    [["--store", "postgres://bank:secret@127.0.0.1:1/bank"], /cannot migrate postgres:\/\/127.0.0.1:1\/bank/],
  ])("says what is wrong with %j", async (words, message) => {
    const ran = await run("migrate", ...words);
    expect(process.exitCode).toBe(1);
    process.exitCode = undefined;
    expect(ran.stdout).toBe("");
    expect(ran.stderr).toMatch(message);
    expect(ran.stderr).not.toContain("secret");
  });
});
