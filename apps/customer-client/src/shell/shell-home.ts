/** The shell as its own commands see it. */
export interface ShellHome {
  /** Lines that were run, the oldest first. */
  readonly lines: readonly string[];
  /** Ends the shell behind the command that runs. */
  leave(): void;
}
