import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { findPostgresPrograms, quickFolder, serverUser } from "@bank/store/testing";
import { Client } from "pg";
import { type ClusterPlace, type EtcdApi, PatroniHost, placeHost } from "./patroni-host.ts";
import { killAll } from "./processes-in.ts";

const HOSTS = 3;
const DATABASE = "money";
/** From nothing to a primary and two standbys, or back to that behind a fault, on a machine that has much to do. */
const WELL_WITHIN_MS = 120_000;
const LOOK_EVERY_MS = 200;
const ASK_TIMEOUT_MS = 2_000;
const LOG_TAIL_CHARACTERS = 3_000;

/** What Patroni says of a member. */
export interface Member {
  readonly name: string;
  readonly role: string;
  readonly state: string;
  readonly timeline?: number;
}

const run = promisify(execFile);

/** PostgreSQL on three hosts under Patroni, with three members of etcd: all on the loopback address of this machine. */
export class PatroniCluster {
  readonly hosts: readonly PatroniHost[];
  readonly #folder: string;
  readonly #password: string;
  readonly #dismissGuard: () => void;

  private constructor(folder: string, place: ClusterPlace, besides: string) {
    this.#folder = folder;
    this.#password = place.password;
    this.hosts = place.hosts.map((host) => new PatroniHost(host, place));
    this.#dismissGuard = guard(folder, besides);
  }

  /**
   * Resolves once there is a primary with a synchronous standby. Rejects where programs are missing; nothing is left then.
   *
   * @param besides a folder that is removed as well when this process ends before `stop`.
   */
  static async start(etcdApi: EtcdApi, besides: string): Promise<PatroniCluster> {
    const programs = await requirePrograms();
    const folder = mkdtempSync(join(quickFolder(), "bank-ha-"));
    const user = serverUser();
    if (user !== undefined) chownSync(folder, user.uid, user.gid);
    const names = Array.from({ length: HOSTS }, (_, i) => `db${i + 1}`);
    const hosts = await Promise.all(names.map((name) => placeHost(name, folder)));
    const password = randomBytes(12).toString("hex");
    const cluster = new PatroniCluster(folder, { hosts, programs, password, etcdApi }, besides);
    try {
      for (const host of cluster.hosts) host.startEtcd();
      for (const host of cluster.hosts) host.startPatroni();
      await cluster.whenWell();
      await cluster.#createDatabase();
      return cluster;
    } catch (error) {
      const logs = cluster.logs();
      await cluster.stop();
      throw new Error(`the cluster does not start: ${String(error)}\n${logs}`);
    }
  }

  /** For the bank: all hosts. */
  get url(): string {
    const at = this.hosts.map(({ place }) => `127.0.0.1:${place.port}`).join(",");
    return `postgres://bank:${this.#password}@${at}/${DATABASE}?target_session_attrs=read-write`;
  }

  /** For a look at one host as the database's superuser, which sees everything. */
  hostUrl({ place }: PatroniHost, database = "postgres"): string {
    return `postgres://postgres:${this.#password}@127.0.0.1:${place.port}/${database}`;
  }

  /** Rejects where there is none now. */
  async primary(): Promise<PatroniHost> {
    const leader = (await this.members()).find(({ role }) => role === "leader");
    const host = this.hosts.find(({ place }) => place.name === leader?.name);
    if (host === undefined) throw new Error("the cluster has no leader now");
    return host;
  }

  /** As the first host tells that answers. */
  async members(): Promise<readonly Member[]> {
    for (const { place } of this.hosts) {
      const signal = AbortSignal.timeout(ASK_TIMEOUT_MS);
      try {
        const response = await fetch(`http://127.0.0.1:${place.restPort}/cluster`, { signal });
        const { members } = (await response.json()) as { members: readonly Member[] };
        return members;
      } catch {
        // It is down, or stands still: another one knows as much.
      }
    }
    return [];
  }

  /** Resolves once there are a primary, a synchronous standby, and everybody else. */
  async whenWell(): Promise<void> {
    const deadlineMs = performance.now() + WELL_WITHIN_MS;
    for (;;) {
      const members = await this.members();
      const roles = members.map(({ role }) => role).sort();
      const areUp = members.every(({ state }) => ["running", "streaming"].includes(state));
      const timelines = new Set(members.map(({ timeline }) => timeline));
      if (areUp && timelines.size === 1 && roles.join() === "leader,replica,sync_standby") return;
      if (performance.now() > deadlineMs)
        throw new Error(`the cluster is not well after ${WELL_WITHIN_MS} ms: ${JSON.stringify(members)}`);
      await delay(LOOK_EVERY_MS);
    }
  }

  /** As an operator types it. */
  async patronictl(...args: readonly string[]): Promise<string> {
    const [host] = this.hosts;
    const { stdout } = await run("patronictl", ["-c", host?.configFile ?? "", ...args], { timeout: WELL_WITHIN_MS });
    return stdout;
  }

  /** The ends of everybody's logs. */
  logs(): string {
    const files = this.hosts.flatMap(({ place }) => [
      join(place.folder, "patroni.log"),
      join(place.folder, "etcd.log"),
    ]);
    return files.map((file) => `== ${file}\n${tailOf(file)}`).join("\n");
  }

  /** Ends everything, and removes its folder. Idempotent. */
  async stop(): Promise<void> {
    await killAll(this.#folder);
    this.#dismissGuard();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #createDatabase(): Promise<void> {
    const client = new Client({ connectionString: this.hostUrl(await this.primary()) });
    await client.connect();
    try {
      await client.query(`CREATE ROLE bank LOGIN PASSWORD '${this.#password}'`);
      await client.query(`CREATE DATABASE ${DATABASE} OWNER bank`);
    } finally {
      await client.end();
    }
  }
}

/** The folder with PostgreSQL's programs. */
async function requirePrograms(): Promise<string> {
  const found = findPostgresPrograms();
  // Elsewhere there may be only links to some of them.
  const programs = found && dirname(realpathSync(join(found, "initdb")));
  const commands = ["etcd", "patroni", "patronictl"].map((name) => run("which", [name]));
  const areThere = (await Promise.allSettled(commands)).every(({ status }) => status === "fulfilled");
  if (programs === undefined || !areThere)
    throw new Error(
      "this needs PostgreSQL, Patroni and etcd: apt-get install postgresql patroni etcd-server python3-etcd",
    );
  return programs;
}

/**
 * Ends everything in the folder when this process ends, however that happens, and removes it and the other one, whose processes have
 * guards of their own: they may write there for a moment longer. Gives what calls it off.
 */
function guard(folder: string, besides: string): () => void {
  const script = `cat
    trap '' INT TERM
    for p in /proc/[0-9]*; do
      case "$(readlink $p/cwd)" in "$0"|"$0"/*) kill -KILL "\${p#/proc/}";; esac
    done
    for tries in 1 2 3 4 5; do rm -rf "$0" "$1" && break; done`;
  const child = spawn("sh", ["-c", script, folder, besides], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    cwd: "/",
  });
  child.unref();
  return () => child.kill("SIGKILL");
}

function tailOf(file: string): string {
  try {
    return readFileSync(file, "utf8").slice(-LOG_TAIL_CHARACTERS);
  } catch {
    return "(nothing)";
  }
}
