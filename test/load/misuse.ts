/** Said to whoever asked for something that cannot be: one sentence, no stack, exit code 2. */
export class Misuse extends Error {}
