/**
 * Bugs to be planted, one at a time, in a copy of the project: a checker that finds none of them has checked nothing. Each takes one
 * promise away that the code makes, by the fewest characters that do it.
 */
import type { Kind } from './story.ts'

export interface Bug {
  name: string
  /** Where it is looked for: in worlds of several nodes, or of one. */
  kind?: Kind
  edits: { file: string; find: string; replace: string }[]
}

export const bugs: Bug[] = [
  {
    // Keys of the rows that come with a step would stop a second writer too.
    name: 'no version check in the commit',
    edits: [
      { file: 'sql/012_fenced.sql', find: 'and a.version = s.version and', replace: 'and' },
      {
        file: 'sql/012_fenced.sql',
        find: 'gate.now, by_node from gate\n',
        replace: 'gate.now, by_node from gate on conflict do nothing\n',
      },
      {
        file: 'sql/012_fenced.sql',
        find: 'c(id text, addr text, src text, input jsonb)\n',
        replace: 'c(id text, addr text, src text, input jsonb) on conflict do nothing\n',
      },
      { file: 'sql/012_fenced.sql', find: 't(id text, at bigint)\n', replace: 't(id text, at bigint) on conflict do nothing\n' },
      {
        file: 'sql/012_fenced.sql',
        find: 'e(seq bigint, name text, payload jsonb)\n',
        replace: 'e(seq bigint, name text, payload jsonb) on conflict do nothing\n',
      },
      { file: 'sql/012_fenced.sql', find: 'where m.id is not null\n', replace: 'where m.id is not null on conflict do nothing\n' },
    ],
  },
  {
    name: 'acknowledge before the commit',
    edits: [
      {
        file: 'runtime/host/host.ts',
        find: 'const outcome = await commit(ask, row(ask, cell.shard, epoch, resident, step, now))',
        replace:
          "void commit(ask, row(ask, cell.shard, epoch, resident, step, now)).catch(() => {})\n        const outcome = 'done' as Outcome",
      },
    ],
  },
  {
    name: 'effects before the commit',
    edits: [
      {
        file: 'runtime/host/host.ts',
        find: 'const outcome = await commit(ask, row(ask, cell.shard, epoch, resident, step, now))',
        replace: 'needs.committed(cell, step)\n        const outcome = await commit(ask, row(ask, cell.shard, epoch, resident, step, now))',
      },
      {
        file: 'runtime/host/host.ts',
        find: 'cell.unborn = false\n            needs.committed(cell, step, birth)',
        replace: 'cell.unborn = false',
      },
    ],
  },
  {
    name: 'an answer of work that is over is taken all the same',
    edits: [
      {
        file: 'runtime/host/step.ts',
        find: "a.call && a.born === envelope.call && a.status === 'active'",
        replace: "a.call && a.status === 'active'",
      },
    ],
  },
  {
    name: 'a timer without its generation',
    edits: [
      {
        file: 'runtime/host/step.ts',
        find: 'this.tree.timers[name]?.id === envelope.timer)',
        replace: 'this.tree.timers[name] !== undefined && envelope.timer)',
      },
    ],
  },
  {
    // The protocol lets a server say words again: with one that does so, only the reader's check is left.
    name: 'a delta without a check of its offset',
    edits: [
      {
        file: 'runtime/host/speech.ts',
        find: 'send(offset, text) {\n          bus.publish({',
        replace:
          "send(offset, text) {\n          bus.publish({ room, name: 'reply.delta', payload: { conversation: actor, turn, attempt, offset, text } })\n          bus.publish({",
      },
      { file: 'channels/web/hear.ts', find: 'if (offset > have.length) return { ...t, behind: true }', replace: '' },
      { file: 'channels/web/hear.ts', find: 'if (offset + text.length <= have.length) return t', replace: '' },
      { file: 'channels/web/hear.ts', find: 'have + text.slice(have.length - offset)', replace: 'have + text' },
    ],
  },
  {
    name: 'attempts are mixed',
    edits: [
      {
        file: 'runtime/host/speech.ts',
        find: 'if (!voice || voice.isForeign || voice.place.turn !== place.turn || voice.place.attempt !== place.attempt) {',
        replace: 'if (!voice || voice.place.turn !== place.turn) {',
      },
      {
        file: 'runtime/host/publish.ts',
        find: "if (name === 'reply.finished' || name === 'reply.retracted') speeches.close",
        replace: "if (name === 'reply.finished') speeches.close",
      },
    ],
  },
  {
    name: 'a stop does not reach the work',
    edits: [
      {
        file: 'runtime/host/engine.ts',
        find: 'if (runner.isRunning({ ...place, id })) runner.cancel({ ...place, id })',
        replace: 'if (runner.isRunning({ ...place, id })) void id',
      },
    ],
  },
  {
    name: 'a stop is acknowledged and forgotten',
    edits: [
      {
        file: 'runtime/gateway/desk.ts',
        find: "envelope: { to: 'root', event: { type: 'user.stopped' } },",
        replace: "envelope: { to: 'root', event: { type: 'user.paused' } },",
      },
      {
        file: 'runtime/gateway/desk.ts',
        find: 'return !told.duplicate && (told.step.cancels.length > 0 || told.step.disarms.length > 0)',
        replace: 'return true || told',
      },
    ],
  },
  {
    name: 'the LRU lets a busy actor go',
    edits: [
      {
        file: 'runtime/host/mailboxes.ts',
        find: 'if (!mailbox.busy && mailbox.jobs.length === 0 && mayGo(mailbox)) all.delete(key)',
        replace: 'if (key || mayGo(mailbox)) all.delete(key)',
      },
    ],
  },
  {
    name: 'a replay begins one event late',
    edits: [{ file: 'runtime/gateway/join.ts', find: 'after: after?.seq,', replace: 'after: after && after.seq + 1,' }],
  },
  {
    name: 'joining is not one stretch',
    edits: [
      {
        file: 'runtime/gateway/join.ts',
        find: 'enter(answer(page, heard, stage.live(tenant, conversation), after), page.conversation.owner)',
        replace:
          'const told = answer(page, heard, stage.live(tenant, conversation), after)\n    await new Promise((resolve) => setTimeout(resolve, 5))\n    enter(told, page.conversation.owner)',
      },
    ],
  },
  {
    name: 'lost drafts are written again in the same attempt',
    edits: [
      {
        file: 'runtime/slots.ts',
        find: "// Words may have been heard already: the machine withdraws them and begins a new attempt.\n      whenLost: 'tell',",
        replace: "whenLost: 'repeat',",
      },
    ],
  },
  {
    name: 'nobody adopts the work of the life before',
    edits: [{ file: 'runtime/host/patrol.ts', find: 'if (isLeft) await adopt()', replace: 'void isLeft' }],
  },
  {
    name: 'durable events overtake words that are held back',
    edits: [{ file: 'runtime/host/publish.ts', find: 'if (durable) speeches.flush(tenant, actor)', replace: 'void durable' }],
  },
  {
    name: 'a commit of unknown fate counts as failed',
    edits: [
      {
        file: 'runtime/host/host.ts',
        find: 'if (epoch !== undefined) cell.suspect = true\n        if (wait',
        replace: 'if (wait',
      },
      {
        file: 'runtime/host/resident.ts',
        find: 'known.suspect || (toldUpTo(known) ?? Number.POSITIVE_INFINITY) < known.resident.tree.seq',
        replace: 'known.suspect',
      },
    ],
  },
  {
    name: "the sender's key is not kept",
    edits: [{ file: 'runtime/gateway/desk.ts', find: 'dedup: `message:${id}`,', replace: '' }],
  },
  {
    name: 'a slow reader is put out and not told',
    edits: [
      {
        file: 'runtime/gateway/backpressure.ts',
        find: "socket.emit('conversation.lagged', { conversation, reason: 'slow' })",
        replace: '',
      },
    ],
  },
  // What simulated worlds have found in the code itself, planted again.
  {
    name: 'a recovery that is interrupted tells everything twice',
    edits: [
      {
        file: 'runtime/host/resident.ts',
        find: 'known.published = tree.seq\n    known.unborn = false\n    await recovered(known, tree)',
        replace: 'known.unborn = false\n    await recovered(known, tree)\n    known.published = tree.seq',
      },
    ],
  },
  {
    name: 'a crowd of busy actors stays at hand for ever',
    edits: [
      { file: 'runtime/host/mailboxes.ts', find: '    evict(0)\n', replace: '' },
      {
        file: 'runtime/host/mailboxes.ts',
        find: 'mayGo(mailbox)) all.delete(key)',
        replace: 'mayGo(mailbox)) return void all.delete(key)',
      },
    ],
  },
  {
    name: 'pieces of a stream that come late stay in the table',
    edits: [
      {
        file: 'runtime/host/sweep.ts',
        find: 'if (signal.aborted) return',
        replace: 'if (PAUSE) return',
      },
    ],
  },
  // Several nodes.
  {
    kind: 'fleet',
    name: 'no epoch in the commit',
    edits: [
      {
        file: 'sql/012_fenced.sql',
        find: 'join shards h on h.shard = s.shard where h.epoch = s.epoch',
        replace: 'join shards h on h.shard = s.shard',
      },
    ],
  },
  {
    kind: 'fleet',
    name: 'work is taken over under any epoch',
    edits: [{ file: 'sql/015_looks.sql', find: ' and h.epoch = epochs[array_position(held, h.shard)]', replace: '' }],
  },
  {
    kind: 'fleet',
    name: 'a lease that has run out is renewed',
    edits: [
      {
        file: 'sql/011_cluster.sql',
        find: 'where n.life = my_life and n.beat_at > clock_timestamp() - lease',
        replace: 'where n.life = my_life',
      },
      { file: 'runtime/cluster/membership.ts', find: 'if (!beat.alive) return enterAnew().then(() => void look())', replace: '' },
    ],
  },
  {
    kind: 'fleet',
    name: 'a lease elsewhere that has run out proves a life',
    edits: [
      {
        file: 'runtime/cluster/membership.ts',
        find: 'if (answer.runs) proof.elsewhere(answer.at)\n    else proof.nowhere()',
        replace: 'proof.elsewhere(answer.at)',
      },
    ],
  },
  {
    kind: 'fleet',
    name: 'who may count as dead goes on speaking',
    edits: [{ file: 'runtime/cluster/relay.ts', find: 'if (membership().isDoubtful()) return', replace: '' }],
  },
  {
    kind: 'fleet',
    name: 'a lease elsewhere that is wiped has proven a life',
    edits: [{ file: 'runtime/cluster/membership.ts', find: 'else proof.nowhere()', replace: '' }],
  },
  {
    kind: 'fleet',
    name: 'a life that is buried may be proven elsewhere',
    edits: [{ file: 'runtime/cluster/takeover.ts', find: 'if (done) elsewhere.end(dead.life)', replace: '' }],
  },
  {
    // As one has it who counts in a Redis that is wiped.
    kind: 'fleet',
    name: 'epochs begin anew',
    edits: [
      {
        file: 'sql/017_leaving.sql',
        find: 'epoch = h.epoch + 1, node = n.node, life = n.life, moved_at = now()\n  from unnest(wanted',
        replace: 'epoch = h.epoch % 2 + 1, node = n.node, life = n.life, moved_at = now()\n  from unnest(wanted',
      },
    ],
  },
  {
    kind: 'fleet',
    name: 'a shard is given away under the same epoch',
    edits: [
      {
        file: 'sql/017_leaving.sql',
        find: 'epoch = h.epoch + 1, node = g.node, life = g.life, moved_at = now()',
        replace: 'epoch = h.epoch, node = g.node, life = g.life, moved_at = now()',
      },
    ],
  },
  {
    kind: 'fleet',
    name: 'nobody looks for what waits when a word got lost',
    edits: [
      { file: 'runtime/host/patrol.ts', find: '    takeWaiting(waiting)\n    if (isLeft)', replace: '    if (isLeft && waiting)' },
      { file: 'runtime/cluster/dispatch.ts', find: 'wake(place)\n          look(NEXT)', replace: 'look(NEXT)' },
    ],
  },
  {
    kind: 'fleet',
    name: 'letters that are missing are missed by nobody',
    edits: [{ file: 'runtime/cluster/cluster.ts', find: 'relay.gap(from)\n', replace: 'return\n' }],
  },
  // What simulated fleets have found in the code itself, planted again.
  {
    kind: 'fleet',
    name: 'time that is corrected is no whole number',
    edits: [
      {
        file: 'runtime/cluster/skew.ts',
        find: 'Math.round(clock.ticks() + ahead - clock.now())',
        replace: 'clock.ticks() + ahead - clock.now()',
      },
    ],
  },
  {
    kind: 'fleet',
    name: 'a letter before the first look makes holes in the map',
    edits: [
      {
        file: 'runtime/cluster/chart.ts',
        find: 'if (!isYounger(shard) || !(epoch > (epochs[shard] ?? -1))) continue',
        replace: 'if (epoch <= (epochs[shard] ?? -1)) continue',
      },
    ],
  },
  {
    kind: 'fleet',
    name: 'an owner that has a conversation back is not asked anew',
    edits: [
      {
        file: 'runtime/cluster/watching.ts',
        find: 'if (owner && (owner.life !== room.from || isBack)) ask(room)',
        replace: 'if (owner && owner.life !== room.from) ask(room)',
      },
    ],
  },
  {
    kind: 'fleet',
    name: 'words that were held are told behind the end of their turn',
    edits: [{ file: 'runtime/cluster/mirror.ts', find: 'mirror.over.size > TURNS', replace: 'mirror.over.size > 1' }],
  },
  {
    kind: 'fleet',
    name: 'who has said everything stays where the conversation was',
    edits: [
      {
        file: 'runtime/host/speech.ts',
        find: 'if (busy || !isGone(place.actor)) continue',
        replace: 'if (!isForeign || busy || !isGone(place.actor)) continue',
      },
    ],
  },
]
