/** Answers that OpenAI's double writes in the background: they go on without a listener, and are read from any event on. */
import type { ServerResponse } from 'node:http'
import type { Script } from './provider.ts'
import { bodyOf } from './provider.wire.ts'

interface Answer {
  pieces: string[]
  isOver: boolean
  isCancelled: boolean
  /** Resolves when there is more of it. */
  more: Promise<void>
  hasMore(): void
}

export function createBackground(moment: (ms: number) => Promise<unknown>) {
  const answers = new Map<string, Answer>()

  const nextOf = (answer: Pick<Answer, 'more' | 'hasMore'>) => {
    answer.more = new Promise((resolve) => {
      answer.hasMore = resolve
    })
  }

  async function write(answer: Answer, pieces: string[], pace: number) {
    for (const piece of pieces) {
      if (answer.isCancelled) break
      answer.pieces.push(piece)
      const tell = answer.hasMore
      nextOf(answer)
      tell()
      if (pace) await moment(pace)
    }
    answer.isOver = true
    answer.hasMore()
  }

  return {
    begin(script: Script, model: string): string {
      const id = `resp_double${answers.size}`
      const { said, last } = bodyOf.script('openai', script, model)
      const answer: Answer = { pieces: [], isOver: false, isCancelled: false, more: Promise.resolve(), hasMore() {} }
      nextOf(answer)
      answers.set(id, answer)
      const pieces = [...said, ...last].map((piece) => piece.replaceAll('resp_double', id))
      void write(answer, pieces, script.pace ?? 0)
      return id
    },
    has: (id: string) => answers.has(id),
    /** Sends what comes behind this event, to its end or until so many pieces are sent. */
    async read(id: string, after: number, res: ServerResponse, most = Number.POSITIVE_INFINITY): Promise<void> {
      const answer = answers.get(id) as Answer
      for (let at = after + 1; at <= after + most && !res.destroyed; at++) {
        while (at >= answer.pieces.length && !answer.isOver) await answer.more
        const piece = answer.pieces[at]
        if (piece === undefined) break
        res.write(piece)
      }
    },
    cancel(id: string): boolean {
      const answer = answers.get(id)
      if (answer) answer.isCancelled = true
      return answer !== undefined
    },
    isCancelled: (id: string) => answers.get(id)?.isCancelled ?? false,
  }
}
