/** A chart as a Mermaid state diagram: what happens in words, for documents. */
import type { AnyStateMachine, StateNode } from 'xstate'

export function mermaidOf(machine: AnyStateMachine): string {
  const lines = ['stateDiagram-v2', '  direction LR']
  inside(machine.root as unknown as Node, lines, '  ')
  return lines.join('\n')
}

// biome-ignore lint/suspicious/noExplicitAny: the shapes of events and context do not matter to a picture
type Node = StateNode<any, any>

const nameOf = ({ path }: Node) => path.join('_')

function inside(node: Node, lines: string[], indent: string) {
  const first = node.initial?.target[0]
  if (first) lines.push(`${indent}[*] --> ${nameOf(first)}`)
  const children = Object.values(node.states) as Node[]
  for (const child of children) {
    if (Object.keys(child.states).length === 0) lines.push(`${indent}${nameOf(child)}: ${child.key}`)
    else {
      lines.push(`${indent}state "${child.key}" as ${nameOf(child)} {`)
      inside(child, lines, `${indent}  `)
      lines.push(`${indent}}`)
    }
  }
  for (const child of children) {
    for (const line of arrows(child)) lines.push(`${indent}${line}`)
    if (child.type === 'final') lines.push(`${indent}${nameOf(child)} --> [*]`)
  }
}

/** One arrow for each pair of states, with everything that leads along it. */
function arrows(node: Node): string[] {
  const labels = new Map<string, string[]>()
  const transitions = [...[...node.transitions.values()].flat(), ...(node.always ?? [])]
  for (const { target, eventType, guard } of transitions) {
    for (const to of target ?? []) {
      if (to === node && !eventType) continue
      const known = labels.get(nameOf(to as Node)) ?? []
      labels.set(nameOf(to as Node), [...known, label(node, eventType, guard)])
    }
  }
  return [...labels].map(([to, said]) => {
    const words = [...new Set(said.filter(Boolean))].join(', ')
    return `${nameOf(node)} --> ${to}${words ? ` : ${words}` : ''}`
  })
}

/** XState's own events carry ids that no reader needs: `xstate.after.patience.turn.answering`. */
function label(node: Node, eventType: string, guard: unknown): string {
  const [, kind, rest = ''] = /^xstate\.(after|done|error)\.(?:actor\.)?(.*)$/.exec(eventType) ?? []
  const said =
    kind === 'after' ? `after ${rest.replace(`.${node.id}`, '')}` : kind === 'error' ? 'failed' : kind === 'done' ? '' : eventType
  const asked = typeof guard === 'string' ? guard : (guard as { type?: string } | undefined)?.type
  return [said, asked && `[${asked}]`].filter(Boolean).join(' ').replaceAll(':', ' ')
}
