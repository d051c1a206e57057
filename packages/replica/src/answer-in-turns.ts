import type { Job } from "./job.ts";
import { nextTurn } from "./next-turn.ts";
import type { Platform } from "./platform.ts";

/**
 * Answers to so many calls leave in one turn of the event loop. Whoever gets the first of them asks again while the others are being
 * written: were all told at once, he and the bank would work by turns. With 8 the turns cost more than they bring, and with 32
 * they bring less. A call of many counts as several, by what it takes to answer it.
 */
const ANSWERED_PER_TURN = 16;
/** An answer takes so many turns to leave: its trailers are asked for, by HTTP/2, when its message is written in the first. */
const TURNS_TO_LEAVE = 2;

/**
 * Tells the callers of finished jobs, in their order, a few in each turn. What they are told is durable: nothing that happens
 * meanwhile keeps it from them.
 */
export async function answerInTurns(jobs: readonly Job[], platform: Pick<Platform, "defer">): Promise<void> {
  for (const job of jobs) job.isDue = true;
  let answered = 0;
  for (const job of jobs) {
    if (answered > 0 && answered + job.answerCost > ANSWERED_PER_TURN) {
      await nextTurn(platform);
      answered = 0;
    }
    job.finish();
    answered += job.answerCost;
  }
}

/** Resolves when the last answers have left. */
export async function answersHaveLeft(platform: Pick<Platform, "defer">): Promise<void> {
  for (let turn = 0; turn < TURNS_TO_LEAVE; turn++) await nextTurn(platform);
}
