import { nameOf } from '../status.ts'
import type { About } from './about.ts'
import { Mark } from './icons.tsx'
import { send } from './session.ts'

/** An empty conversation: what this is, who answers, and three ways to begin. */
export function Welcome({ about: { name, greeting, suggestions, models, offline } }: { about: About }) {
  return (
    <main class="welcome" data-testid="welcome">
      <div class="welcome-inner">
        <Mark />
        <h2 dir="auto">{greeting}</h2>
        <p class="lead">
          {name} is an assistant made of several. Admin sorts your question, the right one answers, QA checks. Your conversation is kept as
          it happens: reload, or switch device, and it goes on.
        </p>
        <ul class="suggestions" aria-label="Suggestions">
          {suggestions.map((text) => (
            <li key={text}>
              <button type="button" class="suggestion" dir="auto" onClick={() => send(text)}>
                {text}
              </button>
            </li>
          ))}
        </ul>
        {models.length > 0 && (
          <dl class="models" aria-label="Models in use">
            {models.map(({ tier, provider, model }) => (
              <div key={tier} class="model">
                <dt>{nameOf(tier)}</dt>
                <dd dir="ltr" title={`${provider} ${model}`}>
                  {model}
                </dd>
              </div>
            ))}
          </dl>
        )}
        {offline && (
          <p class="offline" data-testid="offline">
            No model is connected. Answers are quoted from the documents at hand by the offline stand-in.
          </p>
        )}
      </div>
    </main>
  )
}
