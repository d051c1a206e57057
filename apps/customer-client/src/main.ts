// bank: The bank command line, its shell and the scenario runner.
export {};
