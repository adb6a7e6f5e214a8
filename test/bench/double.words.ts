/** What the double says, over and over. */
export const WORDS = ['Tokens ', 'of ', 'about ', 'five ', 'letters, ', 'as ', 'models ', 'say ', 'them. ']
