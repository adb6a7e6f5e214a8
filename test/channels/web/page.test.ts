/** The built page in a real browser, against a double of the server, under the strict content security policy. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { BrowserContext, Page } from 'playwright-core'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { build } from 'vite'
import { hasBrowser, launchBrowser } from '../../support/browser.ts'
import { leftOut } from '../../support/left-out.ts'
import { Double, type Turn } from './double.ts'
import { within } from './within.ts'

const web = fileURLToPath(new URL('../../../channels/web/', import.meta.url))

interface Story {
  page: Page
  context: BrowserContext
  double: Double
  url: string
  /** Types a question and answers the turn that it began. */
  ask: (text: string) => Promise<Turn>
}

/** One browser for all stories; each has a context of its own, and so storage of its own. */
let launched: ReturnType<typeof launchBrowser> | undefined
test.after(async () => (await launched)?.close())

function plays(name: string, story: (s: Story) => Promise<void>, size = { width: 1280, height: 800 }): void {
  test(name, async () => {
    const double = new Double(`${web}dist`)
    const url = await double.listen()
    const browser = await within(20_000, (launched ??= launchBrowser()), 'the browser')
    const complaints: string[] = []
    const context = await browser.newContext({ viewport: size })
    try {
      context.setDefaultTimeout(6_000)
      const page = await context.newPage()
      page.on('pageerror', (error) => complaints.push(error.message))
      page.on('console', (message) => {
        if (message.text().includes('Content Security Policy')) complaints.push(message.text())
      })
      const ask = async (text: string) => {
        await page.getByTestId('composer').fill(text)
        await page.getByTestId('composer').press('Enter')
        return within(5_000, double.turn(), 'the turn')
      }
      await page.goto(url)
      await page.locator('[data-testid=line][data-state=live]').waitFor()
      await within(40_000, story({ page, context, double, url, ask }), name)
      assert.equal(complaints, [])
    } finally {
      await context.close()
      await double.close()
    }
  })
}

const conversationOf = (page: Page): string => new URL(page.url()).hash.slice('#/c/'.length)

if (!existsSync(`${web}dist/index.html`)) await build({ configFile: `${web}vite.config.ts`, logLevel: 'warn' })

test('the built page brings everything along: no inline code, nothing from elsewhere', async () => {
  const html = await readFile(`${web}dist/index.html`, 'utf8')
  const named = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path as string)
  assert.ok(named.length >= 3)
  for (const path of named) assert.ok(existsSync(`${web}dist/${path.replace(/^\.?\//, '')}`), path)
  assert.not.match(html, /<script(?![^>]*\bsrc=)[^>]*>|\sstyle="|https?:\/\//)
})

if (!hasBrowser) {
  leftOut('the page in a browser: there is no Chromium')
} else {
  plays('a message gets its tick, its status line, its stream and its answer', async ({ page, ask }) => {
    const turn = await ask('Why is the sky blue?')
    await page.locator('[data-testid=question][data-state=sent]').waitFor()
    turn.status('admin', 'sorting')
    await page.getByTestId('status').getByText('Admin is sorting…').waitFor()
    turn.status('director', 'writing')
    await page.getByTestId('status').getByText('Director is writing…').waitFor()
    turn.delta('Because **short wav')
    const answer = page.getByTestId('answer')
    await answer.locator('strong', { hasText: 'short wav' }).waitFor()
    assert.is(await answer.getAttribute('aria-busy'), 'true')
    await page.getByTestId('announcer').getByText('Assistant is replying').waitFor()
    turn.delta('es** scatter.')
    turn.status('qa', 'checking')
    await page.getByTestId('status').getByText('QA is checking…').waitFor()
    turn.finish()
    await page.getByTestId('answered-by').getByText('answered by Director, 3.2 s').waitFor()
    assert.is(await answer.getAttribute('aria-busy'), 'false')
    assert.is((await answer.locator('.prose').innerText()).trim(), 'Because short waves scatter.')
    await page.getByTestId('announcer').getByText('Reply complete').waitFor()
    assert.ok(await page.getByTestId('composer').evaluate((node) => node === document.activeElement), 'the focus stayed in the composer')
    assert.match(page.url(), /#\/c\/[0-9a-f-]{36}$/)
  })

  plays('Send becomes Stop while a reply runs, and Escape stops it too', async ({ page, ask, double }) => {
    const turn = await ask('Count to a thousand')
    turn.delta('one two three')
    await page.getByTestId('answer').getByText('one two three').waitFor()
    await page.getByTestId('stop').click()
    await page.getByTestId('stopped').getByText('You stopped this reply').waitFor()
    assert.match(await page.getByTestId('answer').innerText(), /one two three/)
    await page.getByTestId('send').waitFor()

    const again = await ask('Again')
    again.delta('four')
    await page.getByTestId('answer').getByText('four').waitFor()
    await page.keyboard.press('Escape')
    await page.getByTestId('stopped').nth(1).waitFor()
    assert.is(double.asked.filter(([name]) => name === 'reply.stop').length, 2)
  })

  plays('asking again sends the last question as a new message', async ({ page, ask, double }) => {
    const turn = await ask('A riddle, please')
    turn.delta('What has keys?')
    turn.finish()
    await page.getByTestId('retry').click()
    await within(5_000, double.turn(), 'the second turn')
    await page.getByTestId('question').nth(1).waitFor()
    const sent = double.asked.filter(([name]) => name === 'message.send').map(([, ask]) => ask as { id: string; text: string })
    assert.equal(
      sent.map(({ text }) => text),
      ['A riddle, please', 'A riddle, please'],
    )
    assert.is.not(sent[0]!.id, sent[1]!.id)
  })

  plays('an answer can be copied as it was written', async ({ page, ask, context }) => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    const turn = await ask('Bold?')
    turn.delta('It is **bold**.')
    turn.finish()
    await page.getByTestId('copy').click()
    await page.getByLabel('Copied').waitFor()
    assert.is(await page.evaluate(() => navigator.clipboard.readText()), 'It is **bold**.')
  })

  plays('code is coloured when its fence closes, and not before', async ({ page, ask }) => {
    const turn = await ask('Some code?')
    turn.delta('```ts\nconst a: number = 1')
    const code = page.locator('code[data-language=ts]')
    await code.waitFor()
    assert.is(await code.locator('.hljs-keyword').count(), 0)
    turn.delta('\n```\n\nThat was it.')
    turn.finish()
    await code.locator('.hljs-keyword').first().waitFor()
    assert.is(await page.locator('.code-language').innerText(), 'ts')
    await page.locator('.code-copy').click()
    await page.locator('.code-copy', { hasText: /Copied|Not copied/ }).waitFor()
  })

  plays('a reload in mid-stream lands in mid-stream', async ({ page, ask }) => {
    const turn = await ask('A long story')
    turn.delta('Once upon a time')
    await page.getByTestId('answer').getByText('Once upon a time').waitFor()
    await page.reload()
    await page.locator('[data-testid=answer][data-streaming=true]', { hasText: 'Once upon a time' }).waitFor()
    turn.delta(' there was an actor.')
    turn.finish()
    await page.getByTestId('answered-by').waitFor()
    assert.match(await page.getByTestId('answer').innerText(), /^Once upon a time there was an actor\./m)
    assert.is(await page.getByTestId('answer').count(), 1)
  })

  plays('a broken line is said after two seconds, and what was written meanwhile arrives once', async ({ page, ask, double }) => {
    const turn = await ask('First')
    turn.delta('Fine.')
    turn.finish()
    await page.getByTestId('answered-by').waitFor()
    await double.cut()
    await page.getByTestId('banner').waitFor()
    await page.getByTestId('composer').fill('Second, written offline')
    await page.getByTestId('composer').press('Enter')
    await page.locator('[data-testid=question][data-state=sending]').waitFor()
    await page.getByTestId('banner').getByText('Your message is kept').waitFor()
    await double.restore()
    await page.locator('[data-testid=question][data-state=sent]').nth(1).waitFor({ timeout: 15_000 })
    await page.getByTestId('banner').waitFor({ state: 'detached' })
    assert.is(double.talk(conversationOf(page)).messages.filter(({ text }) => text.startsWith('Second')).length, 1)
  })

  plays('an acknowledgement that is lost does not make a second message, even over a reload', async ({ page, ask, double }) => {
    double.silent = 1
    await ask('Only once')
    await page.getByTestId('question').waitFor()
    await page.reload()
    await page.locator('[data-testid=question][data-state=sent]').waitFor()
    assert.is(double.talk(conversationOf(page)).messages.length, 1)
    assert.is(await page.getByTestId('question').count(), 1)
  })

  plays('a message that the server declines says why and can be sent again', async ({ page, double }) => {
    double.refuses = { code: 'text.too_long', message: 'The text is longer than the limit.' }
    await page.getByTestId('composer').fill('Too long')
    await page.getByTestId('composer').press('Enter')
    await page.getByText('The text is longer than the limit.').waitFor()
    double.refuses = undefined
    await page.getByRole('button', { name: 'Resend' }).click()
    await page.locator('[data-testid=question][data-state=sent]').waitFor()
  })

  plays('a turn that failed is called a failure and offers another try', async ({ page, ask }) => {
    const turn = await ask('Hello?')
    turn.fail('No model could answer.')
    await page.getByTestId('failed').getByText('No model could answer.').waitFor()
    await page.getByTestId('failed').getByTestId('retry').waitFor()
    assert.is(await page.getByTestId('status').innerText(), '')
  })

  plays('a retracted attempt disappears, and the next one takes its place', async ({ page, ask }) => {
    const turn = await ask('Hm?')
    turn.delta('A wrong beginning')
    await page.getByTestId('answer').getByText('A wrong beginning').waitFor()
    turn.retract('quality')
    await page.getByTestId('answer').getByText('A wrong beginning').waitFor({ state: 'detached' })
    turn.delta('A right one')
    turn.finish()
    await page.getByTestId('answered-by').getByText('started over: quality').waitFor()
  })

  plays('two tabs show the same', async ({ page, context, ask }) => {
    const turn = await ask('Both of you')
    turn.delta('Here')
    const other = await context.newPage()
    await other.goto(page.url())
    await other.locator('[data-testid=answer][data-streaming=true]', { hasText: 'Here' }).waitFor()
    turn.delta(' and there.')
    turn.finish()
    for (const tab of [page, other]) {
      await tab.getByTestId('answered-by').waitFor()
      assert.match(await tab.getByTestId('answer').innerText(), /Here and there\./)
    }
    assert.is(await other.getByTestId('question').innerText(), await page.getByTestId('question').innerText())
  })

  plays('everything can be done by keyboard', async ({ page, ask, double }) => {
    await page.keyboard.type('Line one')
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.type('line two')
    assert.is(await page.getByTestId('composer').inputValue(), 'Line one\nline two')
    await page.keyboard.press('Enter')
    const turn = await within(5_000, double.turn(), 'the turn')
    turn.delta('Yes.')
    turn.finish({ citations: [{ id: 'c1', title: 'Handbook', quote: 'Keys first.', score: 0.9 }] })
    await page.getByTestId('citation').waitFor()
    await page.keyboard.press('ArrowUp')
    assert.is(await page.getByTestId('composer').inputValue(), 'Line one\nline two')
    await page.getByTestId('composer').fill('')
    await page.getByTestId('citation').focus()
    await page.keyboard.press('Enter')
    await page.getByTestId('source').getByText('Keys first.').waitFor()
    await page.keyboard.press('Escape')
    await page.getByTestId('source').waitFor({ state: 'detached' })
    await page.getByTestId('side-toggle').focus()
    const before = await page.getByTestId('new-chat').count()
    await page.keyboard.press('Enter')
    await page.waitForFunction((n) => document.querySelectorAll('[data-testid=new-chat]').length !== n, before)
    if (before === 1) await page.keyboard.press('Enter')
    await page.getByTestId('new-chat').focus()
    await page.keyboard.press('Enter')
    await page.getByTestId('welcome').waitFor()
    await ask('A second conversation')
    await page.locator('.chat').nth(1).waitFor()
  })

  plays('an input method may use Enter for itself', async ({ page, double }) => {
    await page.getByTestId('composer').fill('にほん')
    await page
      .getByTestId('composer')
      .evaluate((node) => node.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true })))
    assert.is(await page.getByTestId('composer').inputValue(), 'にほん')
    assert.is(double.asked.filter(([name]) => name === 'message.send').length, 0)
  })

  plays('a draft waits where it was written', async ({ page, ask }) => {
    const turn = await ask('First')
    turn.delta('ok')
    turn.finish()
    await page.getByTestId('composer').fill('half a thought')
    await page.getByTestId('new-chat').click()
    await page.getByTestId('welcome').waitFor()
    assert.is(await page.getByTestId('composer').inputValue(), '')
    await page.locator('.chat a').first().click()
    await page.getByTestId('question').waitFor()
    assert.is(await page.getByTestId('composer').inputValue(), 'half a thought')
  })

  plays('raw HTML, scripts and remote pictures of a model stay text and links', async ({ page, ask }) => {
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    const turn = await ask('Attack')
    turn.delta('<img src=x onerror=alert(1)> ![cat](https://evil.example/cat.png?q=secret) [me](javascript:alert(1)) <b>bold</b>')
    turn.finish()
    await page.getByTestId('answered-by').waitFor()
    assert.is(await page.locator('.prose img, .prose b, .prose script').count(), 0)
    assert.is(await page.locator('.prose a').count(), 1)
    assert.is(await page.locator('.prose a').getAttribute('rel'), 'noopener nofollow')
    assert.not.ok(asked.some((url) => url.includes('evil.example')))
  })

  plays('the view follows only a reader who is at the end', async ({ page, ask }) => {
    const turn = await ask('Much text')
    turn.delta('A line of text.\n\n'.repeat(80))
    const thread = page.getByTestId('thread')
    await page.waitForFunction(() => {
      const box = document.querySelector('[data-testid=thread]')!
      return box.scrollHeight > box.clientHeight * 2 && box.scrollHeight - box.scrollTop - box.clientHeight < 80
    })
    await thread.evaluate((box) => box.scrollTo(0, 0))
    await page.waitForFunction(() => document.querySelector('[data-testid=thread]')!.scrollTop === 0)
    turn.delta('And one more.')
    await page.getByTestId('to-end').waitFor()
    assert.is(await thread.evaluate((box) => box.scrollTop), 0)
    await page.getByTestId('to-end').click()
    await page.getByTestId('to-end').waitFor({ state: 'detached' })
    assert.ok((await thread.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight)) < 80)
  })

  plays('a number in the text opens its source, a number without one stays text', async ({ page, ask }) => {
    const turn = await ask('Who says so?')
    turn.delta('The handbook [1] says so, `a[1]` and [7] do not.')
    turn.finish({ citations: [{ id: 'c1', title: 'Handbook', quote: 'Keys first.' }] })
    await page.getByRole('button', { name: 'Source 1' }).click()
    await page.getByTestId('source').getByText('Keys first.').waitFor()
    assert.is(await page.locator('.reference').count(), 1)
    await page.getByTestId('composer').click()
    await page.getByTestId('source').waitFor({ state: 'detached' })
  })

  plays('a block written from right to left stands so, its code does not', async ({ page, ask }) => {
    const turn = await ask('بالعربية')
    turn.delta('مرحبا بالعالم\n\nHello world\n\n`x = 1`')
    turn.finish()
    await page.getByTestId('answered-by').waitFor()
    const directions = await page.locator('.prose p').evaluateAll((all) => all.map((p) => getComputedStyle(p).direction))
    assert.equal(directions, ['rtl', 'ltr', 'ltr'])
  })

  plays('the theme goes round and outlives a reload', async ({ page }) => {
    const theme = () => page.evaluate(() => document.documentElement.dataset['theme'])
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    assert.is(await theme(), undefined)
    await page.getByTestId('theme').click()
    assert.is(await theme(), 'light')
    const light = await ground()
    await page.getByTestId('theme').click()
    assert.is(await theme(), 'dark')
    assert.is.not(await ground(), light)
    await page.reload()
    await page.getByTestId('theme').waitFor()
    assert.is(await theme(), 'dark')
  })

  plays('the end stays in sight when the composer grows to its eight lines', async ({ page, ask }) => {
    const turn = await ask('Much text')
    turn.delta('A line of text.\n\n'.repeat(60))
    turn.finish()
    await page.getByTestId('answered-by').waitFor()
    const height = () => page.getByTestId('composer').evaluate((node) => node.getBoundingClientRect().height)
    const one = await height()
    await page.getByTestId('composer').fill('line\n'.repeat(30))
    assert.ok((await height()) > one * 5 && (await height()) < one * 9)
    await page.waitForFunction(() => {
      const box = document.querySelector('[data-testid=thread]')!
      return box.scrollHeight - box.scrollTop - box.clientHeight < 2
    })
  })

  plays('without a model, the page says so', async ({ page, double }) => {
    double.models = {
      models: [{ tier: 'intern', provider: 'offline', model: 'quote' }],
      offline: true,
      tenant: 'demo',
      bot: { name: 'Ada', greeting: 'Good day', suggestions: ['One', 'Two', 'Three'] },
    }
    await page.reload()
    await page.getByTestId('offline').waitFor()
    await page.getByRole('heading', { name: 'Good day' }).waitFor()
    await page.getByRole('button', { name: 'Two' }).click()
    await within(5_000, double.turn(), 'the turn')
    await page.getByTestId('question').getByText('Two').waitFor()
  })

  for (const width of [360, 320]) {
    plays(
      `a phone of ${width} px shows everything without scrolling sideways`,
      async ({ page, ask }) => {
        const turn = await ask(`A very${'long'.repeat(30)}word and https://example.org/${'path/'.repeat(20)}`)
        turn.status('director', 'writing')
        turn.delta(
          `| a | b | c | d | e |\n|---|---|---|---|---|\n| ${'wide '.repeat(10)} | 2 | 3 | 4 | ${'x'.repeat(80)} |\n\n\`\`\`ts\n${'const a = 1; '.repeat(20)}\n\`\`\`\n\n\`${'inline'.repeat(20)}\``,
        )
        turn.finish({ citations: [1, 2, 3].map((n) => ({ id: `c${n}`, title: `A document with a rather long title, number ${n}` })) })
        await page.getByTestId('answered-by').waitFor()
        const sideways = await page.evaluate(() => {
          const thread = document.querySelector('[data-testid=thread]')!
          return Math.max(document.documentElement.scrollWidth - innerWidth, thread.scrollWidth - thread.clientWidth)
        })
        assert.is(sideways, 0)
        const small = await page.evaluate(() =>
          [...document.querySelectorAll('button')]
            .map((b) => [b.ariaLabel ?? b.textContent, b.getBoundingClientRect()] as const)
            .filter(([, box]) => box.width > 0 && (box.width < 24 || box.height < 24))
            .map(([name]) => name),
        )
        assert.equal(small, [])
      },
      { width, height: 740 },
    )
  }
}

test.run()
