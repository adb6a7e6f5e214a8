/** The chat page. */
import { render } from 'preact'
import { App } from './page/app.tsx'
import { start } from './page/session.ts'

start()
const page = document.getElementById('page')
if (page) render(<App />, page)
