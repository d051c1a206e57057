/** What a command line did that was run in this process. */
export interface Ran {
  /** The exit code that it asked for; undefined where it only returned. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Thrown in place of the end of the process. */
class ExitError extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/**
 * Runs what would be the main program of a process, in this one, as long as it starts no server: what it writes is
 * kept, and its exit ends only the run. Not for two runs at the same time.
 */
export async function runHere(main: () => Promise<unknown>): Promise<Ran> {
  const { exit, stdout, stderr } = process;
  const [writeOut, writeErr] = [stdout.write, stderr.write];
  const written = { stdout: "", stderr: "" };
  process.exit = ((code) => {
    throw new ExitError(Number(code ?? 0));
  }) as typeof process.exit;
  stdout.write = ((text: string) => {
    written.stdout += text;
    return true;
  }) as typeof stdout.write;
  stderr.write = ((text: string) => {
    written.stderr += text;
    return true;
  }) as typeof stderr.write;
  try {
    await main();
    return { exitCode: undefined, ...written };
  } catch (error) {
    if (error instanceof ExitError) return { exitCode: error.code, ...written };
    throw error;
  } finally {
    process.exit = exit;
    stdout.write = writeOut;
    stderr.write = writeErr;
  }
}
