/** Whether a host, as it stands in a URL or by itself, means all addresses of a machine: one can listen there, and not connect to it. */
export function isEveryAddress(host: string): boolean {
  return ["0.0.0.0", "::", "[::]"].includes(host);
}
