/** From a sentence to the model that is asked for it: the real process with each provider's settings pointed at a double. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { read, reading, testClient } from '../support/client.ts'
import { type NexusProcess, startNexus } from '../support/process.ts'
import { type Wire, providerDouble } from '../support/provider.ts'
import { modelsAt } from '../support/server.ts'
import { patience } from '../support/within.ts'

const double = await providerDouble()
const answer = 'The moon pulls the water nearest to it a little more than the rest, so the sea rises there twice a day.'

test.before.each(() => double.forget())
test.after(() => double.close())

const questions = {
  trivial: 'hi',
  normal: 'How do I read a file line by line in Python? I want to skip empty lines.',
  complex: `Design the architecture of a payment platform that must process 20,000 transactions a second across three regions with exactly-once
    semantics. It has to survive the loss of a whole region without losing a transaction, keep the 99th percentile latency below 80 milliseconds,
    comply with PCI DSS and GDPR, and allow zero-downtime schema migrations. Compare event sourcing with a conventional relational design, analyse the
    trade-offs between consistency and availability under network partitions, explain how you would shard the ledger, handle idempotency, back-pressure and
    reconciliation, and how you would roll it out step by step from an existing monolith. Also discuss the security model, the disaster recovery plan,
    capacity planning, the cost of each option, observability, and how the teams should be organised. Finally, prove why your consensus protocol is
    correct when messages are reordered or duplicated, and list the risks that remain.`,
  unclear: 'help',
}

async function withNexus(settings: Record<string, string>, run: (nexus: NexusProcess) => Promise<void>) {
  const nexus = await startNexus({ DATA_DIR: ':memory:', ...settings })
  try {
    await run(nexus)
  } finally {
    await nexus.kill()
  }
}

/** Asks in a conversation of its own; answers what came, and which models were asked meanwhile. */
async function converse({ url }: NexusProcess, text: string) {
  const client = await testClient(url)
  try {
    const before = double.requests.length
    const { conversation } = await client.join()
    const told = await client.send(conversation, text)
    assert.ok(told.ok)
    const failed = await client.answerTo(told.id).then(
      () => undefined,
      (error: { code?: string }) => error,
    )
    if (failed && !failed.code) throw failed
    if (failed) await client.hears('conversation.state')
    const asked = double.requests.slice(before).map(({ wire, model }) => `${wire}/${model}`)
    const so = read(reading(), client.heard)
    assert.equal(so.faults, [])
    return { reply: so.finished[0], asked, retracted: so.retracted, failed: failed?.code, names: client.heard.map(([name]) => name) }
  } finally {
    client.close()
  }
}

const ladders: Record<Wire, [intern: string, director: string, ceo: string]> = {
  anthropic: ['claude-haiku-5-5', 'claude-sonnet-5-5', 'claude-opus-5-5'],
  openai: ['gpt-6-luna', 'gpt-6-sol', 'gpt-6-astra'],
  gemini: ['gemini-3.8-flash', 'gemini-3.1-pro-preview', 'gemini-3.1-pro-preview'],
  chat: ['chat-model', 'chat-model', 'chat-model'],
  ollama: ['ollama-model', 'ollama-model', 'ollama-model'],
}

for (const [wire, [intern, director, ceo]] of Object.entries(ladders) as [Wire, [string, string, string]][]) {
  test(`${wire}: who is asked follows from how hard the question is`, () =>
    withNexus(modelsAt(double, wire), async (nexus) => {
      for (const [text, model, agent] of [
        [questions.trivial, intern, 'intern'],
        [questions.normal, director, 'director'],
        [questions.complex, ceo, 'ceo'],
      ] as const) {
        // Where Admin has a model of its own, it is asked first, and a verdict that is none leaves the rules in charge.
        const calls = wire === 'ollama' && text !== questions.trivial ? 2 : 1
        for (let call = 0; call < calls; call++) double.next({ text: answer })
        const { reply, asked } = await converse(nexus, text)
        assert.equal([reply?.text, reply?.agent], [answer, agent])
        assert.is(asked.at(-1), `${wire}/${model}`)
        if (wire !== 'ollama') assert.is(asked.length, 1)
        double.forget()
      }
    }))
}

test('an unclear message is answered with one question, and no model of the ladder is asked', () =>
  withNexus(modelsAt(double, 'anthropic'), async (nexus) => {
    const { reply, asked } = await converse(nexus, questions.unclear)
    assert.equal([reply?.agent, asked], ['admin', []])
    assert.match(reply?.text as string, /\?$/)
  }))

test('what goes wrong with a provider is borne, and told as it was', () =>
  withNexus(modelsAt(double, 'anthropic', 'openai'), async (nexus) => {
    // An empty draft is no answer: the next tier is asked.
    double.next({ text: [] }, 'anthropic')
    double.next({ text: [] }, 'openai')
    for (let spare = 0; spare < 4; spare++) double.next({ text: answer })
    const poor = await converse(nexus, questions.normal)
    assert.is(poor.reply?.text, answer)
    assert.ok(poor.asked.length >= 2, `${poor.asked}`)
    double.forget()

    // It dies before its first word: the next provider answers, and nobody sees more than a moment's delay.
    double.next({ fault: { status: 503 } }, 'anthropic')
    double.next({ text: answer }, 'openai')
    const dead = await converse(nexus, questions.normal)
    assert.equal([dead.reply?.text, dead.retracted, dead.asked], [answer, 0, ['anthropic/claude-sonnet-5-5', 'openai/gpt-6-sol']])

    // It dies in the middle of a sentence: what was said is taken back and said anew, by the same tier.
    for (const wire of ['anthropic', 'openai'] as const) double.next({ text: ['The moon pu', 'lls the wa'], fault: 'cut' }, wire)
    double.next({ text: answer }, 'anthropic')
    double.next({ text: answer }, 'openai')
    const cut = await converse(nexus, questions.normal)
    assert.is(cut.reply?.text, answer)
    assert.ok(cut.retracted >= 1)
    assert.not.ok(cut.names.includes('turn.escalated'))
  }))

test('a draft that is not good enough is done again by the tier above, and the first is taken back', () =>
  withNexus(modelsAt(double, 'anthropic'), async (nexus) => {
    double.next({ text: '' })
    double.next({ text: answer })
    const { reply, names, asked } = await converse(nexus, questions.normal)
    assert.equal([reply?.text, reply?.agent], [answer, 'ceo'])
    assert.ok(names.includes('turn.escalated'))
    assert.is(asked.at(-1), 'anthropic/claude-opus-5-5')
  }))

test('when every provider fails, the turn ends with an honest failure in time', () =>
  withNexus(modelsAt(double, 'anthropic', 'openai', 'gemini'), async (nexus) => {
    for (let count = 0; count < 60; count++) double.next({ fault: { status: 401, body: { error: { message: 'no such key' } } } })
    const began = performance.now()
    const { failed, reply, names } = await converse(nexus, questions.normal)
    assert.equal([failed, reply], ['answer.failed', undefined])
    assert.ok(performance.now() - began < 15_000 * patience)
    assert.is(names.at(-1), 'conversation.state')
    double.forget()
    double.next({ text: answer })
    assert.is((await converse(nexus, questions.normal)).reply?.text, answer, 'the next message is tried all the same')
  }))

test.run()
