/** A text as PostgreSQL can hold it: NUL, which its texts do not have, becomes U+FFFD. */
export function plainText(text: string): string {
  return text.includes("\0") ? text.replaceAll("\0", "\ufffd") : text;
}

/** Texts by name, as JSON. */
export function plainJson(texts: Readonly<Record<string, string>>): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(texts).map(([name, text]) => [plainText(name), plainText(text)])),
  );
}
