// bank-server: The bank: sequencer, journal service and public API.
export {};
