import type { Log } from "@bank/replica";

/** One line of a log. */
export interface LogLine {
  readonly level: "info" | "warn" | "error";
  readonly event: string;
  readonly fields: Readonly<Record<string, string | number>>;
}

/** Keeps what was logged, for a test to look at. */
export class RecordingLog implements Log {
  readonly lines: LogLine[] = [];

  info(event: string, fields: Readonly<Record<string, string | number>> = {}): void {
    this.lines.push({ level: "info", event, fields });
  }

  warn(event: string, fields: Readonly<Record<string, string | number>> = {}): void {
    this.lines.push({ level: "warn", event, fields });
  }

  error(event: string, fields: Readonly<Record<string, string | number>> = {}): void {
    this.lines.push({ level: "error", event, fields });
  }

  /** Lines whose event contains the text. */
  about(text: string): readonly LogLine[] {
    return this.lines.filter(({ event }) => event.includes(text));
  }
}
