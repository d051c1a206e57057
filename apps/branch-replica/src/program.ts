import { SNAPSHOT_EVERY_RECORDS, startBranch } from "@bank/node";
import {
  EXIT_WRONG_FLAGS,
  flag,
  insecureMessage,
  isLoopback,
  type ListenAddress,
  minFreeSpaceFlag,
  parseListenAddress,
  printConfig,
  runServer,
  serverCommand,
  serverUrlFlag,
  wholeNumber,
} from "@bank/node/app";
import { type Command, InvalidArgumentError } from "commander";

/** The port of branch N, where nothing else is said, is this plus N. */
const BASE_PORT = 50_060;
const PORT_MAX = 65_535;
const NAME_BYTES_MAX = 128;

interface BranchFlags {
  readonly id: readonly number[];
  readonly bank: readonly string[];
  readonly upstream?: readonly string[];
  readonly name?: readonly string[];
  readonly advertise?: string;
  readonly listen?: string;
  readonly data?: string;
  readonly store?: string;
  readonly insecure?: true;
  readonly quickUnary?: boolean;
  readonly snapshotEvery: number;
  readonly minFreeSpace: number;
  readonly printConfig?: true;
}

/** The command line of `branch-replica`. */
export function program(): Command {
  return serverCommand("branch-replica")
    .description("A branch of the bank: keeps a verified copy of the journal, serves reads, passes writes on.")
    .addOption(
      flag("--id <numbers>", "BRANCH_ID", "branches to host, such as 1 or 1,2,3; they share one copy")
        .makeOptionMandatory()
        .argParser(branchNumbers),
    )
    .addOption(
      flag(
        "--upstream <urls>",
        "BRANCH_UPSTREAM",
        "whom to follow: the bank, or a branch; of several, separated by commas, the first that reaches the bank (default: --bank)",
      ).argParser(serverUrls),
    )
    .addOption(
      flag("--bank <urls>", "BRANCH_BANK", "likewise, where --upstream is not said")
        .default(["http://127.0.0.1:50051"])
        .argParser(serverUrls),
    )
    .addOption(
      flag(
        "--name <names>",
        "BRANCH_NAME",
        "what the branches are called, separated by commas (default: as before, at first branch <id>)",
      ).argParser(branchNames),
    )
    .addOption(
      flag(
        "--listen <host:port>",
        "BRANCH_LISTEN",
        "where the first branch listens, the others on the ports behind it; port 0: any free ones (default: 127.0.0.1, port 50060 + id)",
      ),
    )
    .addOption(
      flag(
        "--advertise <url>",
        "BRANCH_ADVERTISE",
        "where others reach the first branch, the others on the ports behind it (default: where it listens)",
      ).argParser(serverUrlFlag),
    )
    .addOption(flag("--data <dir>", "BRANCH_DATA", "data folder (default: data/branch-<id>)"))
    .addOption(
      flag("--store <url>", "BRANCH_STORE", "journal store: sqlite:DIR or memory: (default: sqlite in --data)"),
    )
    .addOption(flag("--insecure", "BRANCH_INSECURE", "allow an address that other machines can reach, without TLS"))
    .addOption(
      flag("--snapshot-every <records>", "BRANCH_SNAPSHOT_EVERY", "records between two snapshots")
        .default(SNAPSHOT_EVERY_RECORDS)
        .argParser(wholeNumber(1)),
    )
    .addOption(minFreeSpaceFlag("BRANCH_MIN_FREE_SPACE"))
    .addOption(
      flag(
        "--no-quick-unary",
        "BRANCH_NO_QUICK_UNARY",
        "serve unary calls by Connect's adapter, at ten times the cost",
      ),
    )
    .option("--print-config", "print every setting and where it comes from, and exit")
    .action((_flags, command: Command) => serveBranches(command));
}

async function serveBranches(command: Command): Promise<void> {
  const flags = command.opts<BranchFlags>();
  const exitCode = EXIT_WRONG_FLAGS;
  const addresses = listenAddresses(flags);
  if (addresses === undefined) {
    const problem =
      flags.listen === undefined
        ? `there is no port ${BASE_PORT} + id for every branch: say where with --listen`
        : `--listen ${flags.listen} is not HOST:PORT with room for ${flags.id.length} ports`;
    return command.error(`error: ${problem}`, { exitCode });
  }
  const names = flags.name ?? [];
  if (names.length > 0 && names.length !== flags.id.length)
    return command.error(`error: --name has ${names.length} names for ${flags.id.length} branches`, { exitCode });
  const advertised = advertisedUrls(flags);
  if (advertised === undefined)
    return command.error(`error: --advertise ${flags.advertise} has no room for ${flags.id.length} ports`, {
      exitCode,
    });
  const [bankUrl = "", ...otherUpstreams] = flags.upstream ?? flags.bank;
  const host = addresses[0]?.host ?? "127.0.0.1";
  if (!isLoopback(host) && flags.insecure !== true)
    return command.error(`error: ${insecureMessage(host)}`, { exitCode });
  const dataDir = flags.data ?? `data/branch-${flags.id.join("-")}`;
  if (flags.printConfig) {
    const listen = addresses.map(({ port }) => `${host}:${port}`).join(",");
    const advertise = advertised.join(",") || addresses.map(({ port }) => `http://${host}:${port}`).join(",");
    const upstream = [bankUrl, ...otherUpstreams].join(",");
    printConfig(command, {
      upstream,
      advertise,
      listen,
      data: dataDir,
      store: `sqlite:${dataDir}/journal`,
      insecure: "false",
    });
    return;
  }
  await runServer(async (onFatal) => {
    const server = await startBranch({
      branches: flags.id.map((number, i) => ({
        number,
        port: addresses[i]?.port ?? 0,
        ...(names[i] === undefined ? {} : { name: names[i] }),
        ...(advertised[i] === undefined ? {} : { advertise: advertised[i] }),
      })),
      host,
      bankUrl,
      otherUpstreams,
      dataDir,
      ...(flags.store === undefined ? {} : { store: flags.store }),
      snapshotEveryRecords: flags.snapshotEvery,
      minFreeBytes: flags.minFreeSpace,
      quickUnary: flags.quickUnary ?? true,
      onFatal,
    });
    for (const { number, url } of server.branches) process.stdout.write(`branch ${number} listening on ${url}\n`);
    const closed = new AbortController();
    server
      .whenFollowing(closed.signal)
      .then(() => process.stdout.write(`branch ${flags.id.join(", ")} follows ${server.upstreamUrl}\n`))
      .catch(() => {
        // It is closing before it ever reached its bank; the log has said why.
      });
    return {
      close: () => {
        closed.abort(new Error("the branch is closing"));
        return server.close();
      },
    };
  });
}

function listenAddresses({ listen, id }: BranchFlags): ListenAddress[] | undefined {
  if (listen === undefined) return checked(id.map((number) => ({ host: "127.0.0.1", port: BASE_PORT + number })));
  const first = parseListenAddress(listen);
  if (first === undefined) return undefined;
  return checked(id.map((_, i) => ({ host: first.host, port: first.port === 0 ? 0 : first.port + i })));
}

function checked(addresses: ListenAddress[]): ListenAddress[] | undefined {
  return addresses.every(({ port }) => port <= PORT_MAX) ? addresses : undefined;
}

/** None where it is not said; undefined where there are not as many ports. */
function advertisedUrls({ advertise, id }: BranchFlags): string[] | undefined {
  if (advertise === undefined) return [];
  if (id.length === 1) return [advertise];
  const first = new URL(advertise);
  const port = Number(first.port === "" ? 80 : first.port);
  if (port + id.length - 1 > PORT_MAX) return undefined;
  return id.map((_, i) => serverUrlFlag(`${first.protocol}//${first.hostname}:${port + i}`));
}

function serverUrls(text: string): string[] {
  return text.split(",").map(serverUrlFlag);
}

function branchNames(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.some((name) => name === "" || Buffer.byteLength(name) > NAME_BYTES_MAX))
    throw new InvalidArgumentError(`A name has 1 to ${NAME_BYTES_MAX} bytes.`);
  return names;
}

function branchNumbers(text: string): number[] {
  const numbers = text.split(",").map(Number);
  const valid = /^[0-9]+(,[0-9]+)*$/.test(text) && numbers.every((number) => number >= 1 && number <= 65_535);
  if (!valid) throw new InvalidArgumentError("Branches have numbers from 1 to 65535, separated by commas.");
  if (new Set(numbers).size !== numbers.length) throw new InvalidArgumentError("A branch is named twice.");
  return numbers;
}
