import type { PatroniCluster } from "./patroni-cluster.ts";
import type { PatroniHost } from "./patroni-host.ts";

/** What can happen to the primary. */
export interface Failure {
  readonly name: string;
  /** For people. */
  readonly about: string;
  begin(cluster: PatroniCluster, primary: PatroniHost): Promise<void>;
  /** Called a while after writes go on: what is left of it is put right. */
  end(cluster: PatroniCluster, primary: PatroniHost): Promise<void>;
}

const NOTHING = async () => undefined;

export const FAILURES: readonly Failure[] = [
  {
    name: "restart",
    about: "patronictl restart of the primary",
    begin: async (cluster, { place }) => {
      await cluster.patronictl("restart", "bank", place.name, "--force");
    },
    end: NOTHING,
  },
  {
    name: "switchover",
    about: "patronictl switchover",
    begin: async (cluster) => {
      await cluster.patronictl("switchover", "bank", "--force");
    },
    end: NOTHING,
  },
  {
    name: "kill-postgres",
    about: "kill -9 of the primary's PostgreSQL; its Patroni lives",
    begin: (_, primary) => primary.killPostgres(),
    end: NOTHING,
  },
  {
    name: "kill-host",
    about: "kill -9 of the primary's host: PostgreSQL, Patroni and etcd",
    begin: (_, primary) => primary.kill(),
    end: async (_, primary) => primary.restart(),
  },
  {
    name: "hold-host",
    about: "SIGSTOP of the primary's host, which wakes while the next one has it",
    begin: async (_, primary) => primary.hold(),
    end: async (_, primary) => primary.wake(),
  },
  {
    name: "hold-managers",
    about: "SIGSTOP of Patroni and etcd on the primary's host; PostgreSQL goes on and takes itself for the primary",
    begin: async (_, primary) => primary.holdManagers(),
    end: async (_, primary) => primary.wake(),
  },
];
