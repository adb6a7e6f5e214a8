/** The real page in a real browser on the real process: what a newcomer sees, and what survives when it is killed. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hasBrowser, launchBrowser } from '../support/browser.ts'
import { leftOut } from '../support/left-out.ts'
import { type NexusProcess, startNexus } from '../support/process.ts'
import { within } from '../support/within.ts'

test('the process serves the page under a strict policy, and all that it names', async () => {
  const nexus = await startNexus({ DATA_DIR: ':memory:' })
  try {
    const answer = await fetch(nexus.url)
    const html = await answer.text()
    assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'self'/)
    for (const [, path] of html.matchAll(/(?:src|href)="([^"]+)"/g))
      assert.is((await fetch(new URL(path as string, nexus.url))).status, 200)
  } finally {
    await nexus.kill()
  }
})

if (!hasBrowser) {
  leftOut('the page in a browser: there is no Chromium')
} else {
  let browser: Browser
  test.before(async () => {
    browser = await launchBrowser()
  })
  test.after(() => browser.close())

  const story = (
    name: string,
    pace: number,
    play: (s: { page: Page; nexus: NexusProcess; again(): Promise<NexusProcess> }) => Promise<void>,
  ) =>
    test(name, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'nexus-page-'))
      const settings = { DATA_DIR: folder, OFFLINE_PACE: String(pace) }
      let nexus = await startNexus(settings)
      const context = await browser.newContext()
      context.setDefaultTimeout(15_000)
      try {
        const page = await context.newPage()
        await page.goto(nexus.url)
        const again = async () => {
          nexus = await startNexus({ ...settings, PORT: new URL(nexus.url).port })
          return nexus
        }
        await within(60_000, play({ page, nexus, again }), name)
      } finally {
        await context.close()
        await nexus.kill() // also where the story has killed it before
        await rm(folder, { recursive: true, force: true })
      }
    })

  const ask = async (page: Page, text: string) => {
    await page.getByTestId('composer').fill(text)
    await page.getByTestId('composer').press('Enter')
  }
  const answered = (page: Page) =>
    page
      .getByText(/answered by/)
      .last()
      .waitFor()
  const busy = (page: Page) => page.locator('[data-testid=answer][aria-busy=true]')
  const speaking = async (page: Page) => {
    await busy(page).waitFor()
    await page.waitForFunction(() => (document.querySelector('[data-testid=answer][aria-busy=true]')?.textContent ?? '').length > 30)
  }

  story('a question is answered from the knowledge, with its sources and who answered', 0, async ({ page }) => {
    await ask(page, 'What happens when a node dies in mid-answer?')
    await answered(page)
    const answer = page.getByTestId('answer').last()
    assert.match((await answer.textContent()) ?? '', /offline stand-in/)
    assert.match((await answer.textContent()) ?? '', /withdraws the half-said attempt|mid-answer/)
    await page
      .getByText(/Nexus › How it works/)
      .first()
      .waitFor()
  })

  story('a reload in mid-stream lands in mid-stream', 25, async ({ page }) => {
    await ask(page, 'What happens when a node dies in mid-answer?')
    await speaking(page)
    await page.reload()
    await speaking(page)
    await answered(page)
    assert.is(await page.getByTestId('answer').count(), 1)
  })

  story('kill -9 in mid-stream and a new start end the same turn with exactly one answer', 25, async ({ page, nexus, again }) => {
    await ask(page, 'What happens when a node dies in mid-answer?')
    await speaking(page)
    await nexus.kill()
    await again()
    await answered(page)
    assert.is(await page.getByTestId('answer').count(), 1)
    assert.is(await page.getByTestId('question').count(), 1)
    await page.reload()
    await page.getByTestId('answer').waitFor()
    assert.is(await page.getByTestId('answer').count(), 1)
  })

  story('stop keeps what was said and frees the composer', 15, async ({ page }) => {
    await ask(page, 'What happens when a node dies in mid-answer?')
    await speaking(page)
    await page.keyboard.press('Escape')
    await busy(page).waitFor({ state: 'detached' })
    assert.ok(((await page.getByTestId('answer').last().textContent()) ?? '').length > 20)
    await ask(page, 'hello')
    await answered(page)
  })
}

test.run()
