/** Takes the README's screenshots: starts Nexus on an empty store, asks it something, and looks. `npm run pictures` */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { launchBrowser } from '../../test/support/browser.ts'

const out = fileURLToPath(new URL('./pictures/', import.meta.url))
const shots = [
  { name: 'desktop-light', theme: 'light', width: 1280, height: 800 },
  { name: 'desktop-dark', theme: 'dark', width: 1280, height: 800 },
  { name: 'phone-light', theme: 'light', width: 390, height: 844 },
  { name: 'phone-dark', theme: 'dark', width: 390, height: 844 },
] as const

const data = await mkdtemp(join(tmpdir(), 'nexus-pictures-'))
const server = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('../../runtime/main.ts', import.meta.url))], {
  env: { ...process.env, PORT: '0', DATA_DIR: data, OFFLINE_PACE: '90', LOG_LEVEL: 'error' },
  stdio: ['ignore', 'pipe', 'inherit'],
})
try {
  const url = await new Promise<string>((resolve, reject) => {
    server.stdout.setEncoding('utf8').on('data', (line: string) => {
      const [, found] = /open (http\S+)/.exec(line) ?? []
      if (found) resolve(found)
    })
    server.once('exit', () => reject(new Error('Nexus did not start')))
  })
  await mkdir(out, { recursive: true })
  const browser = await launchBrowser()
  for (const { name, theme, width, height } of shots) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme: theme, deviceScaleFactor: 1 })
    await page.goto(url)
    const ask = async (text: string) => {
      await page.getByRole('textbox').fill(text)
      await page.keyboard.press('Enter')
    }
    await ask('What happens when a node dies in mid-answer?')
    await page
      .getByText(/answered by/i)
      .last()
      .waitFor()
    await ask('Does stop reach the provider?')
    // In the middle of the second answer: the status line and the caret are part of the picture.
    await page.locator('[aria-busy=true]').last().waitFor()
    await page.waitForFunction(() => (document.querySelector('[aria-busy=true]')?.textContent ?? '').length > 60)
    await page.screenshot({ path: join(out, `${name}.png`) })
    await page.close()
  }
  await browser.close()
} finally {
  server.kill('SIGTERM')
  await rm(data, { recursive: true, force: true })
}
