/** Runs a command that is over with its result: prints that, or what went wrong with exit code 1. Never rejects. */
export async function reporting(action: () => Promise<string>): Promise<void> {
  try {
    process.stdout.write(`${await action()}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
