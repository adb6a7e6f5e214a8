/** What has happened between two looks at the map, for whoever watches the cluster. */
import type { Chart } from './chart.ts'

export interface ClusterEvents {
  'node.changed': { node: string; state: 'joined' | 'draining' | 'gone'; version: string; at: number }
  /** Shards that came to one node, of the same look. */
  'shard.moved': { node: string; shards: number[]; at: number }
  'fault.detected': { node: string; fault: string; at: number }
}

export type ClusterEvent = { [N in keyof ClusterEvents]: [name: N, payload: ClusterEvents[N]] }[keyof ClusterEvents]

export function changesBetween(before: Chart, after: Chart, at: number): ClusterEvent[] {
  const events: ClusterEvent[] = []
  const was = new Map(before.nodes.map((node) => [node.life, node]))
  const is = new Map(after.nodes.map((node) => [node.life, node]))
  for (const { life, node, version, draining } of after.nodes) {
    if (!was.has(life)) events.push(['node.changed', { node, state: 'joined', version, at }])
    if (draining && !was.get(life)?.draining) events.push(['node.changed', { node, state: 'draining', version, at }])
  }
  for (const { life, node, version } of before.nodes) if (!is.has(life)) events.push(['node.changed', { node, state: 'gone', version, at }])
  const moved = new Map<string, number[]>()
  for (const [shard, life] of after.lives.entries()) {
    const node = is.get(life)?.node
    if (node === undefined || before.lives[shard] === life) continue
    moved.set(node, [...(moved.get(node) ?? []), shard])
  }
  for (const [node, shards] of moved) events.push(['shard.moved', { node, shards, at }])
  return events
}
