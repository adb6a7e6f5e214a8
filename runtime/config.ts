/** Every setting: its variable, how it is read, what happens without it, and why it exists. The only file that reads the environment. */
import { existsSync } from 'node:fs'
import { type BusyPolicy, busyPolicies } from '../machines/policy.ts'
import { type Armament, readFailpoints } from './host/failpoint.ts'

interface Setting<T> {
  name: string
  /** Other names that mean the same. */
  aliases: string[]
  read(raw: string): T
  fallback: T
  why: string
}

class Wrong extends Error {}

const text = (raw: string) => raw
const whole = (least: number, most: number) => (raw: string) => {
  const value = Number(raw)
  if (!Number.isInteger(value) || value < least || value > most) throw new Wrong(`must be a whole number from ${least} to ${most}`)
  return value
}
const amount = (raw: string): number | null => {
  const value = Number(raw)
  if (!Number.isFinite(value) || value <= 0) throw new Wrong('must be a number above 0')
  return value
}
const choice =
  <T extends string>(...names: readonly T[]) =>
  (raw: string): T => {
    if (!names.includes(raw as T)) throw new Wrong(`must be one of ${names.join(', ')}`)
    return raw as T
  }
const url =
  (...protocols: string[]) =>
  (raw: string) => {
    if (!URL.canParse(raw) || !protocols.includes(new URL(raw).protocol))
      throw new Wrong(`must be an address that begins with ${protocols.map((p) => `${p}//`).join(' or ')}`)
    return raw
  }
const secret = (least: number) => (raw: string) => {
  if (raw.length < least) throw new Wrong(`must have at least ${least} characters`)
  return raw
}
const list = (raw: string) =>
  raw
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
const failpointList = (raw: string): Armament[] => {
  try {
    return readFailpoints(raw)
  } catch (error) {
    throw new Wrong((error as Error).message)
  }
}
const flag = (raw: string) => choice('true', 'false', '1', '0')(raw) === 'true' || raw === '1'

const setting = <T>(name: string, read: (raw: string) => T, fallback: NoInfer<T>, why: string, ...aliases: string[]): Setting<T> => ({
  name,
  aliases,
  read,
  fallback,
  why,
})
const optional = <T>(name: string, read: (raw: string) => T, why: string, ...aliases: string[]): Setting<T | undefined> => ({
  name,
  aliases,
  read,
  fallback: undefined,
  why,
})

export const settings = {
  environment: setting(
    'APP_ENV',
    choice('development', 'staging', 'production'),
    'development',
    'production refuses to start without a credential and hides /docs',
  ),
  port: setting('PORT', whole(0, 65_535), 3000, 'where HTTP and sockets listen; 0 takes a free one'),
  host: optional('HOST', text, 'the address to listen on; without it 127.0.0.1 in development, every address elsewhere'),
  dataDir: setting('DATA_DIR', text, './data', 'where the embedded store keeps its data', 'SQLITE_DB_PATH'),
  databaseUrl: optional(
    'DATABASE_URL',
    url('postgres:', 'postgresql:'),
    'PostgreSQL 15 or later with pgvector; without it one runs inside this process',
  ),
  redisUrl: optional(
    'REDIS_URL',
    url('redis:', 'rediss:'),
    'Redis, which carries letters and words between several nodes; without it PostgreSQL does',
  ),
  nodeName: optional('NODE_NAME', text, 'the name of this node; made up when unset'),
  logLevel: setting(
    'LOG_LEVEL',
    (raw) => choice('debug', 'info', 'warn', 'error')(raw.toLowerCase() as 'info'),
    'info',
    'how much is logged',
  ),
  logFormat: optional('LOG_FORMAT', choice('json', 'plain'), 'json or plain; without it plain at a terminal and json elsewhere'),
  corsOrigins: setting('CORS_ORIGINS', list, [], 'origins, with commas, of other sites that may call us; * allows all'),
  apiKey: optional(
    'API_KEY',
    secret(16),
    'a key that acts as the owner of the tenant demo (X-API-Key or Bearer)',
    'API_SECRET',
    'MASTER_API_KEY',
  ),
  jwtSecret: optional('JWT_SECRET', secret(32), 'signs the tokens of users and visitors (HS256)', 'SECRET_KEY', 'APP_SECRET_KEY'),
  maxInputLength: setting('MAX_INPUT_LENGTH', whole(1, 100_000), 10_000, 'characters of one message'),
  bodyLimit: setting('BODY_LIMIT', whole(1_024, 67_108_864), 1_048_576, 'bytes of one request or socket frame'),
  answerTimeout: setting(
    'ANSWER_TIMEOUT_MS',
    whole(1_000, 3_600_000),
    120_000,
    'how long a plain HTTP request waits for its answer; the answer itself goes on',
  ),
  drainMax: setting('DRAIN_MAX_MS', whole(0, 600_000), 30_000, 'how long running replies may end after SIGTERM'),
  whileBusy: setting<BusyPolicy>(
    'WHILE_BUSY',
    choice(...busyPolicies),
    'enqueue',
    'what happens to a message that comes while an answer is being written: enqueue, interrupt, merge or reject',
  ),
  gatherWindow: optional(
    'GATHER_WINDOW_MS',
    whole(0, 60_000),
    'gathers rapid messages into one turn; without it 0 on the web and about a second on messengers',
  ),
  budget: setting('BUDGET_USD', amount, null, 'dollars that one conversation may cost a day'),
  sessionTtl: optional(
    'SESSION_TTL_SECONDS',
    whole(1, 31_536_000),
    'after so long at rest a session of /v1/chat has expired; without it never',
  ),
  modelCeo: optional(
    'NEXUS_MODEL_CEO',
    text,
    'who answers complex questions: provider/model, several with commas are the order of fallback',
  ),
  modelDirector: optional('NEXUS_MODEL_DIRECTOR', text, 'who answers normal questions'),
  modelIntern: optional('NEXUS_MODEL_INTERN', text, 'who answers trivial questions'),
  modelAdmin: optional('NEXUS_MODEL_ADMIN', text, 'who sorts and compresses; without it rules do, or Ollama where there is one'),
  anthropicApiKey: optional('ANTHROPIC_API_KEY', text, 'Claude models'),
  anthropicBaseUrl: optional('ANTHROPIC_BASE_URL', url('http:', 'https:'), 'another address for them'),
  openaiApiKey: optional('OPENAI_API_KEY', text, 'GPT models'),
  openaiBaseUrl: optional('OPENAI_BASE_URL', url('http:', 'https:'), 'another address for them'),
  openaiApi: optional('OPENAI_API', choice('responses', 'chat'), 'what the server at OPENAI_BASE_URL speaks; responses unless set'),
  openaiBackground: setting(
    'OPENAI_BACKGROUND',
    flag,
    false,
    'lets GPT write in the background: when a node dies another reads on, and nothing is bought twice; OpenAI then keeps answers for a while',
  ),
  geminiApiKey: optional('GEMINI_API_KEY', text, 'Gemini models', 'GOOGLE_API_KEY'),
  geminiBaseUrl: optional('GEMINI_BASE_URL', url('http:', 'https:'), 'another address for them'),
  ollamaBaseUrl: optional(
    'OLLAMA_BASE_URL',
    url('http:', 'https:'),
    'an Ollama server: Admin works there, and every tier that has no other model',
  ),
  ollamaModel: optional('OLLAMA_MODEL', text, 'which model it runs; qwen3:8b unless set'),
  ollamaContinues: setting(
    'OLLAMA_CONTINUES',
    flag,
    false,
    'its model goes on with an answer that broke off; one that thinks first, as qwen3:8b does, is asked anew',
  ),
  chatBaseUrl: optional(
    'CHAT_BASE_URL',
    url('http:', 'https:'),
    'a server that speaks chat completions: vLLM, llama.cpp, TGI, LiteLLM, OpenRouter',
  ),
  chatApiKey: optional('CHAT_API_KEY', text, 'its key'),
  chatModel: optional('CHAT_MODEL', text, 'its model', 'HF_MODEL_NAME'),
  chatContinuation: optional(
    'CHAT_CONTINUATION',
    choice('prefix', 'continue_final_message', 'assistant'),
    'how it goes on with an answer that broke off: prefix (Mistral, the beta of DeepSeek), continue_final_message (vLLM), assistant (llama.cpp); without it such an answer is written anew',
  ),
  decisions: setting('DECISIONS', flag, false, "lets Admin ask OpenAI's Decisions endpoint"),
  hedge: setting('HEDGE', flag, false, 'asks a second model as soon as the first is slower than usual, and not only after eight seconds'),
  failpoints: setting<Armament[]>(
    'FAILPOINTS',
    failpointList,
    [],
    'for tests: kills, stalls, starves or breaks this process at named instants; refused in production',
  ),
  offlinePace: setting('OFFLINE_PACE', whole(0, 10_000), 60, 'tokens a second of the offline stand-in; 0 does not wait'),
} as const satisfies Record<string, Setting<unknown>>

export type Config = { [K in keyof typeof settings]: (typeof settings)[K] extends Setting<infer T> ? T : never }

/** Everything that is wrong, at once. */
export class WrongSettings extends Error {
  readonly problems: string[]
  constructor(problems: string[]) {
    super(`These settings are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

/** Reads and checks. An empty variable counts as unset, as in compose files. */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const problems: string[] = []
  const read = <T>({ name, aliases, read: parse, fallback }: Setting<T>): T => {
    const given = [name, ...aliases].find((candidate) => environment[candidate]?.trim())
    if (!given) return fallback
    try {
      return parse((environment[given] as string).trim())
    } catch (error) {
      if (!(error instanceof Wrong)) throw error
      problems.push(`${given} ${error.message}`)
      return fallback
    }
  }
  const config = Object.fromEntries(Object.entries(settings).map(([key, one]) => [key, read(one as Setting<unknown>)])) as Config
  if (config.environment === 'production' && !config.apiKey && !config.jwtSecret) {
    problems.push('APP_ENV=production needs API_KEY or JWT_SECRET: without a credential everybody would be the owner')
  }
  if (config.environment === 'production' && config.failpoints.length > 0) {
    problems.push('FAILPOINTS breaks the process on purpose and is not for APP_ENV=production')
  }
  if (problems.length > 0) throw new WrongSettings(problems)
  return config
}

/** The settings of this process, but for some; a file .env in the working directory fills in what the environment leaves open. */
export function configOfProcess(instead: Record<string, string> = {}): Config {
  if (existsSync('.env')) process.loadEnvFile('.env')
  return readConfig({ ...process.env, ...instead })
}
