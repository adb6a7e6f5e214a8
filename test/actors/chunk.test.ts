import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { chunksOf } from '../../actors/chunk.ts'

test('a piece has the headings above it and never crosses one', () => {
  const chunks = chunksOf('Guide', '# Guide\n\nWelcome.\n\n## Start\n\nInstall it.\n\n### Linux\n\nUse apt.\n\n## Stop\n\nPress a key.')
  assert.equal(chunks, [
    { title: 'Guide', content: 'Welcome.' },
    { title: 'Guide › Start', content: 'Install it.' },
    { title: 'Guide › Start › Linux', content: 'Use apt.' },
    { title: 'Guide › Stop', content: 'Press a key.' },
  ])
})

test('a comment in a code block is no heading, and the block stays whole', () => {
  const block = '```sh\n# install\n\nnpm ci\n\n## really\n```'
  assert.equal(
    chunksOf('T', `Run:\n\n${block}\n\n# Next\n\nDone.`).map(({ content }) => content),
    [`Run:\n\n${block}`, 'Done.'],
  )
  assert.equal(
    chunksOf('T', '~~~\n# a\n```\n# b\n~~~\n# C\n\nd').map(({ title }) => title),
    ['T', 'T › C'],
  )
})

test('paragraphs stand together until a piece is full', () => {
  const chunks = chunksOf('T', Array.from({ length: 10 }, (_, at) => `${at} ${'word '.repeat(60)}`).join('\n\n'))
  assert.ok(chunks.length >= 3)
  for (const { content } of chunks) assert.ok(content.length <= 1_250, `${content.length}`)
})

test('what is too long alone comes apart, and nothing of it is lost', () => {
  const texts = [
    'One sentence of some words. '.repeat(300),
    '一个句子有很多汉字。'.repeat(300),
    'x'.repeat(5_000),
    `\`\`\`\n${'a line of code\n'.repeat(300)}\`\`\``,
    '😀'.repeat(3_000),
  ]
  for (const text of texts) {
    const chunks = chunksOf('T', text)
    assert.ok(chunks.length > 1)
    assert.is(
      chunks
        .map(({ content }) => content)
        .join('')
        .replace(/\s/g, ''),
      text.replace(/\s/g, ''),
    )
    for (const { content } of chunks) assert.ok(content.length <= 1_250 && content.isWellFormed(), `${content.length}`)
  }
})

test('Chinese pieces are shorter, because its characters weigh more', () => {
  for (const { content } of chunksOf('T', '一个句子有很多汉字。'.repeat(300))) assert.ok(content.length <= 450)
})

test('an empty document has no pieces, and lines may end as on Windows', () => {
  assert.equal(chunksOf('T', ''), [])
  assert.equal(chunksOf('T', '# only\n\n## headings'), [])
  assert.equal(chunksOf('T', '# A\r\n\r\nb\r\n'), [{ title: 'T › A', content: 'b' }])
})

test('front matter is about the document and not of it', () => {
  assert.equal(chunksOf('T', '---\ntitle: x\ndate: y\n---\n# A\n\nb'), [{ title: 'T › A', content: 'b' }])
})

test.run()
