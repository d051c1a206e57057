import { ServerProcess, type ServerProcessOptions } from "./server-process.ts";

/** A server in a process of its own, which may be started again. Whoever starts one must `kill` it in the end. */
export interface RestartableProcess {
  /** The same after a restart. */
  readonly url: string;
  readonly port: number;
  /** The process that runs now, or ran last. */
  readonly process: ServerProcess;
  /** Kills it as a power cut would: nothing of it runs any more when this resolves. Idempotent. */
  kill(): Promise<void>;
  /** Stops it as an operator would. Resolves with its exit code. */
  stop(): Promise<number | null>;
  /** Lets it stand still: see `ServerProcess.pause`. Killed or stopped, it need not be resumed. */
  pause(): void;
  resume(): void;
  /**
   * Kills it if it runs, and starts it with the same options and port. Resolves when it listens.
   * Rejects, with what it said, when it ends before that.
   */
  restart(): Promise<void>;
}

/**
 * Starts a server from its sources. Rejects, with what it said, when it ends before it listens.
 *
 * @param argsAt its arguments, given the port that it shall listen on.
 * @param firstPort 0 for any free one.
 */
export async function startRestartable(
  app: ServerProcessOptions["app"],
  argsAt: (port: number) => readonly string[],
  firstPort: number,
): Promise<RestartableProcess> {
  let server = new ServerProcess({ app, args: argsAt(firstPort) });
  const url = await server.url();
  const port = Number(new URL(url).port);
  return {
    url,
    port,
    get process() {
      return server;
    },
    kill: async () => {
      // A restart that waited for the same end has started the next one by now.
      for (let killed: ServerProcess | undefined; killed !== server; ) {
        killed = server;
        await killed.kill();
      }
    },
    stop: async () => (await server.terminate()).code,
    pause: () => server.pause(),
    resume: () => server.resume(),
    restart: async () => {
      await server.kill();
      server = new ServerProcess({ app, args: argsAt(port) });
      await server.url();
    },
  };
}
