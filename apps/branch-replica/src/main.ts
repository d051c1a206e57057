// branch-replica: a branch: follower, local reads, forwarded writes, journal service for others.
import { program } from "./program.ts";

await program().parseAsync();
