/** The program that runs the hub, and its output after each garbage collection. */
export const PROGRAM = "test/fuzz/collecting-hub.ts";
export const COLLECTED = "garbage was collected";
