/** What the service says to a message, known to both of its ends. */
import { wordAt } from './double.words.ts'

/** Between 100 and 160 words, the same for the same message. */
export const replyTo = (number: number): string[] => [
  `This answers no. ${number}: `,
  ...Array.from({ length: 100 + (number % 61) }, (_, at) => wordAt(at + number)),
]
