// @bank/bench: run by `npm run bench`; nothing is imported from it.
export {};
