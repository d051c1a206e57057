import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Bench } from "../bench.ts";
import { type Running, runToEnd } from "../harness/processes.ts";

export const PEERS = fileURLToPath(new URL("../../peers", import.meta.url));
/** The system's own comes first: another one may have come without the packages. */
const CANDIDATES = ["/usr/bin/python3", "python3"];

/** By the modules that were asked for. */
const found = new WeakMap<Bench, Map<string, Promise<Python | undefined>>>();

/** A Python that has gRPC, and the code that it generated from the peers' .proto files. */
export class Python {
  private readonly bench: Bench;
  private readonly command: string;
  private readonly generated: string;

  private constructor(bench: Bench, command: string, generated: string) {
    this.bench = bench;
    this.command = command;
    this.generated = generated;
  }

  /** Undefined where there is none with these modules. It is looked for once in a run. */
  static find(bench: Bench, modules: readonly string[]): Promise<Python | undefined> {
    const known = found.get(bench) ?? new Map<string, Promise<Python | undefined>>();
    found.set(bench, known);
    const key = modules.join();
    const finding = known.get(key) ?? Python.look(bench, modules);
    known.set(key, finding);
    return finding;
  }

  private static async look(bench: Bench, modules: readonly string[]): Promise<Python | undefined> {
    const { processes } = bench;
    for (const command of CANDIDATES) {
      try {
        const args = ["-c", `import ${["grpc", "grpc_tools", ...modules].join(", ")}`];
        await runToEnd(processes, { name: command, command, args });
      } catch {
        // This one is not there, or lacks a module: the next may have it.
        continue;
      }
      const generated = bench.scratch("python");
      await mkdir(generated, { recursive: true });
      for (const proto of [`${PEERS}/peer.proto`, `${PEERS}/python-client/bank_deposit.proto`])
        await runToEnd(processes, { name: "protoc", command, args: protocArgs(proto, generated) });
      return new Python(bench, command, generated);
    }
    return undefined;
  }

  start(name: string, file: string, args: readonly string[]): Running {
    const { command, generated } = this;
    const env = { PYTHONPATH: generated, PYTHONDONTWRITEBYTECODE: "1" };
    return this.bench.processes.start({ name, command, args: [`${PEERS}/${file}`, ...args], env });
  }
}

function protocArgs(proto: string, out: string): string[] {
  const folder = proto.slice(0, proto.lastIndexOf("/"));
  return ["-m", "grpc_tools.protoc", `-I${folder}`, `--python_out=${out}`, `--grpc_python_out=${out}`, proto];
}
