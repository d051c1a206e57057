/** A URL as it may stand in messages: without user and password, in whatever shape it is. */
export function withoutPassword(url: string): string {
  return (
    url
      // To the last "@", because a password that should have been encoded may contain one, and slashes too.
      .replace(/^([^:]*:\/\/).*@/s, "$1…@")
      .replace(/([?&](?:password|pass|user)=)[^&]*/gi, "$1…")
  );
}
