/**
 * What a promise gives, if it gives it in time. Rejects otherwise; what was begun goes on, and nobody hears of it.
 *
 * @param problem what is said then.
 */
export async function within<T>(limitMs: number, promise: Promise<T>, problem: () => string): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(problem())), limitMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
