/** What the double says: counted now and then, because a text that goes in circles is no answer and is not passed. */
const WORDS = ['Tokens ', 'of ', 'about ', 'five ', 'letters, ', 'as ', 'models ', 'say ']

export const wordAt = (at: number): string => WORDS[at % (WORDS.length + 1)] ?? `${at}. `
