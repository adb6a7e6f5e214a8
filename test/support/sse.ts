/** Reads server-sent events as a browser does, and keeps where it stands. */
export interface SseLine {
  id: string
  event: string
  data: Record<string, unknown>
}

export interface SseStream {
  status: number
  headers: Headers
  lines: SseLine[]
  /** Resolves when the stream is over: by the server's last word, or cut off. */
  ended: Promise<'ended' | 'cut'>
  /** The reader goes away. */
  hangUp(): void
}

export async function openSse(url: string, path: string, body: unknown, headers: Record<string, string> = {}): Promise<SseStream> {
  const controller = new AbortController()
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
    signal: controller.signal,
  })
  const lines: SseLine[] = []
  return { status: response.status, headers: response.headers, lines, ended: readAll(response, lines), hangUp: () => controller.abort() }
}

async function readAll(response: Response, lines: SseLine[]): Promise<'ended' | 'cut'> {
  if (!response.body) return 'ended'
  let rest = ''
  try {
    for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + bytes).split('\n\n')
      rest = blocks.pop() as string
      for (const block of blocks) if (block.startsWith('id:')) lines.push(lineOf(block))
    }
    return 'ended'
  } catch {
    return 'cut' // by us or by the server: which of them, the test knows
  }
}

export function lineOf(block: string): SseLine {
  const fields = Object.fromEntries(block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]))
  return { id: fields.id ?? '', event: fields.event ?? 'message', data: JSON.parse(fields.data ?? 'null') as Record<string, unknown> }
}
