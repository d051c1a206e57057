import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, chownSync, createWriteStream, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, serverUser } from "@bank/store/testing";
import { holdAll, killAll, wakeAll } from "./processes-in.ts";

/** What one host of the cluster listens at, and where it keeps everything. */
export interface HostPlace {
  readonly name: string;
  readonly folder: string;
  /** Of PostgreSQL. */
  readonly port: number;
  /** Of Patroni. */
  readonly restPort: number;
  /** Of etcd: for its clients, and for each other. */
  readonly etcdPort: number;
  readonly peerPort: number;
}

/** By which of etcd's interfaces Patroni keeps its leader's key. */
export type EtcdApi = 2 | 3;

/** What all hosts of a cluster have in common. */
export interface ClusterPlace {
  readonly hosts: readonly HostPlace[];
  /** The folder with PostgreSQL's programs. */
  readonly programs: string;
  /** Of every user of the database. */
  readonly password: string;
  readonly etcdApi: EtcdApi;
}

const TEMPLATE = new URL("./patroni.yml", import.meta.url);
const OWNER_ONLY = 0o700;

/** A folder of its own for the host, and free ports. */
export async function placeHost(name: string, parent: string): Promise<HostPlace> {
  const folder = join(parent, name);
  mkdirSync(folder);
  chmodSync(folder, OWNER_ONLY);
  const user = serverUser();
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const [port, restPort, etcdPort, peerPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  return { name, folder, port, restPort, etcdPort, peerPort };
}

/** A host: PostgreSQL under Patroni, and a member of etcd. They end together, as by a power cut, and stand still together. */
export class PatroniHost {
  readonly place: HostPlace;
  /** For `patronictl`. */
  readonly configFile: string;
  readonly #cluster: ClusterPlace;

  constructor(place: HostPlace, cluster: ClusterPlace) {
    this.place = place;
    this.#cluster = cluster;
    this.configFile = join(place.folder, "patroni.yml");
    writeFileSync(this.configFile, configOf(place, cluster));
  }

  startEtcd(): void {
    const { name, etcdPort, peerPort } = this.place;
    const [client, peer] = [`http://127.0.0.1:${etcdPort}`, `http://127.0.0.1:${peerPort}`];
    const members = this.#cluster.hosts.map((host) => `${host.name}=http://127.0.0.1:${host.peerPort}`).join(",");
    this.#start("etcd", [
      ...["--name", name, "--data-dir", "etcd"],
      ...["--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ...["--initial-cluster", members, "--initial-cluster-state", "new", "--enable-v2"],
    ]);
  }

  startPatroni(): void {
    this.#start("patroni", [this.configFile]);
  }

  /** Everything on it ends at once. */
  kill(): Promise<void> {
    return killAll(this.place.folder);
  }

  /** Everything on it stands still. */
  hold(): void {
    holdAll(this.place.folder);
  }

  wake(): void {
    wakeAll(this.place.folder);
  }

  /** After `kill`. */
  restart(): void {
    this.startEtcd();
    this.startPatroni();
  }

  /** PostgreSQL and all its processes end at once; Patroni goes on. */
  killPostgres(): Promise<void> {
    return killAll(this.#data);
  }

  /** Patroni and etcd stand still; PostgreSQL goes on, and calls itself whatever it was. */
  holdManagers(): void {
    holdAll(this.place.folder);
    wakeAll(this.#data);
  }

  get #data(): string {
    return join(this.place.folder, "data");
  }

  #start(program: string, args: readonly string[]): ChildProcess {
    const log = createWriteStream(join(this.place.folder, `${program}.log`), { flags: "a" });
    const child = spawn(program, args, {
      ...serverUser(),
      cwd: this.place.folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once("close", () => log.end());
    child.once("error", (error) => log.write(`${program} cannot be started: ${error.message}\n`));
    return child;
  }
}

function configOf(place: HostPlace, { hosts, programs, password, etcdApi }: ClusterPlace): string {
  const etcdHosts = hosts.map(({ etcdPort }) => `127.0.0.1:${etcdPort}`).join(", ");
  const values: Readonly<Record<string, string | number>> = {
    ...place,
    programs,
    password,
    etcdHosts,
    etcdSection: etcdApi === 3 ? "etcd3" : "etcd",
  };
  return readFileSync(TEMPLATE, "utf8").replace(/\{(\w+)\}/g, (text, name: string) => `${values[name] ?? text}`);
}
