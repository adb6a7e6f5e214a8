/** Settings as an operator writes them. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WrongSettings, readConfig, settings } from '../../../runtime/config.ts'

const problemsOf = (environment: Record<string, string>) => {
  try {
    readConfig(environment)
    return []
  } catch (error) {
    assert.instance(error, WrongSettings)
    return (error as WrongSettings).problems
  }
}

test('an empty environment works', () => {
  const { environment, port, dataDir, databaseUrl, corsOrigins, budget } = readConfig({})
  assert.equal([environment, port, dataDir, databaseUrl, corsOrigins, budget], ['development', 3000, './data', undefined, [], null])
})

test('everything wrong is told at once, each by its name', () => {
  const wrong = {
    PORT: 'eighty',
    APP_ENV: 'prod',
    DATABASE_URL: 'localhost',
    REDIS_URL: 'http://x',
    BUDGET_USD: '0',
    API_KEY: 'short',
    JWT_SECRET: 'short',
    BODY_LIMIT: '1.5',
    WHILE_BUSY: 'panic',
    HEDGE: 'perhaps',
    LOG_LEVEL: 'all',
    OPENAI_BASE_URL: 'ftp://x',
  }
  assert.equal(
    problemsOf(wrong)
      .map((problem) => problem.split(' ')[0])
      .sort(),
    Object.keys(wrong).sort(),
  )
})

test('an empty variable counts as unset', () => {
  assert.equal(
    readConfig(Object.fromEntries(Object.values(settings).flatMap(({ name, aliases }) => [name, ...aliases].map((one) => [one, ' '])))),
    readConfig({}),
  )
})

test('an alias means the same, and the name itself comes first', () => {
  const key = 'a key of enough length'
  for (const name of ['API_KEY', 'API_SECRET', 'MASTER_API_KEY']) assert.is(readConfig({ [name]: key }).apiKey, key)
  assert.is(readConfig({ API_SECRET: 'another key of length', API_KEY: key }).apiKey, key)
  assert.is(readConfig({ GOOGLE_API_KEY: 'g' }).geminiApiKey, 'g')
  assert.match(problemsOf({ SECRET_KEY: 'short' })[0] as string, /^SECRET_KEY /)
})

test('values are read as what they are', () => {
  const { port, corsOrigins, budget, hedge, decisions, logLevel, sessionTtl } = readConfig({
    PORT: ' 0 ',
    CORS_ORIGINS: 'https://a.example, https://b.example,',
    BUDGET_USD: '0.5',
    HEDGE: 'true',
    DECISIONS: '0',
    LOG_LEVEL: 'INFO',
    SESSION_TTL_SECONDS: '60',
  })
  assert.equal(
    [port, corsOrigins, budget, hedge, decisions, logLevel, sessionTtl],
    [0, ['https://a.example', 'https://b.example'], 0.5, true, false, 'info', 60],
  )
})

test('production needs a credential, whatever else is set', () => {
  assert.match(problemsOf({ APP_ENV: 'production' })[0] as string, 'API_KEY or JWT_SECRET')
  assert.equal(problemsOf({ APP_ENV: 'production', API_KEY: 'a key of enough length' }), [])
  assert.equal(problemsOf({ APP_ENV: 'production', JWT_SECRET: 'x'.repeat(32) }), [])
})

test('no two settings share a variable', () => {
  const names = Object.values(settings).flatMap(({ name, aliases }) => [name, ...aliases])
  assert.is(new Set(names).size, names.length)
})

test.run()
