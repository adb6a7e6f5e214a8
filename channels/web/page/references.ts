/** Turns the `[2]` of a finished text into a button that opens the second source. Only numbers that have a source, and never in code or links. */
export function linkReferences(block: HTMLElement, sources: number): void {
  const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT)
  const texts: Text[] = []
  while (walker.nextNode()) {
    const { currentNode: node } = walker
    if (node instanceof Text && node.data.includes('[') && !node.parentElement?.closest('code, a, button')) texts.push(node)
  }
  for (const text of texts) {
    const pieces = text.data.split(/(\[\d{1,2}\])/)
    if (pieces.length > 1) text.replaceWith(...pieces.map((piece) => referenceOf(piece, sources) ?? piece))
  }
}

function referenceOf(piece: string, sources: number): HTMLElement | undefined {
  const number = Number(/^\[(\d{1,2})\]$/.exec(piece)?.[1] ?? 0)
  if (number < 1 || number > sources) return undefined
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'reference'
  button.dataset['reference'] = String(number)
  button.ariaLabel = `Source ${number}`
  button.textContent = String(number)
  return button
}
