/**
 * How much of one call, and of all calls of a connection, may come before it is asked for, at either end. By its default
 * HTTP/2 has a sender wait after every 64 KiB for a word from the other end: a batch of commands would take as many journeys
 * as it has of those.
 */
export const STREAM_WINDOW_BYTES = 1024 * 1024;
export const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
