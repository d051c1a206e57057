const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** What differs from run to run, and which placeholder stands for it in a script. */
const CHANGING: readonly { readonly placeholder: string; readonly pattern: RegExp }[] = [
  { placeholder: "<session>", pattern: /("session":")([^"]+)/g },
  // Of `--print-session` and of `bank session`.
  { placeholder: "<session>", pattern: /^(session {4}|)(A[\w-]{52,})$/gm },
  { placeholder: "<page-token>", pattern: /("next_page_token":"|--page-token )([^"\s]+)/g },
  { placeholder: "<ms>", pattern: /("staleness_ms":|at most )([0-9]+)(?= ms old|[,}])/g },
  { placeholder: "<address>", pattern: /()(http:\/\/127\.0\.0\.1:[0-9]+)/g },
];

/**
 * Puts placeholders where the output of a command differs from run to run, and their last values where a command of the
 * script names them: `<session>`, `<page-token>`, `<ms>` (how old a state may be), `<address>` of a server, and
 * `<request-id>` for each UUID that the script does not say itself.
 */
export class Placeholders {
  private readonly last = new Map<string, string>();
  private readonly said = new Set<string>();

  /** Takes note of what the script says itself: such UUIDs stay as they are. */
  say(text: string): void {
    for (const [id] of text.matchAll(UUID)) this.said.add(id);
  }

  /** The line with the values of the placeholders in it. Throws: `Error` for one that has no value yet. */
  fill(line: string): string {
    return line.replace(/<[a-z-]+>/g, (placeholder) => {
      const value = this.last.get(placeholder);
      if (value === undefined) throw new Error(`no output before has shown what ${placeholder} stands for`);
      return value;
    });
  }

  /** The output with placeholders in it. */
  mask(output: string): string {
    let masked = output;
    for (const { placeholder, pattern } of CHANGING)
      masked = masked.replace(pattern, (_, before: string, value: string) => {
        this.last.set(placeholder, value);
        return before + placeholder;
      });
    return masked.replace(UUID, (id) => {
      if (this.said.has(id)) return id;
      this.last.set("<request-id>", id);
      return "<request-id>";
    });
  }
}
