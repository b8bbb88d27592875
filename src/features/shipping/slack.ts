/** Slack, by an incoming webhook: a message for the events of a request. Meant for a narrow filter. */
import * as v from 'valibot';
import type { Entry } from '../../log/schema.ts';
import { ask, count, isAnswer, kindOf, secret, verdictOf } from './kind.ts';

/** Slack shortens longer texts. */
const text_chars_max = 3_000;

/** Slack reads these three as markup (api.slack.com, "Formatting text for app surfaces"). */
const escaped = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

const sentence = ({ id, event_type, entity_type, entity_id, user_id, description, metadata }: Entry): string => {
  const what = `*${escaped(event_type)}* ${escaped(entity_type)}${entity_id === null ? '' : ` ${escaped(entity_id)}`}`;
  const who = user_id === null ? '' : ` by ${escaped(user_id)}`;
  const isTest = metadata !== null && typeof metadata === 'object' && 'test' in metadata && id === 0;
  return `${isTest ? 'test' : `#${id}`} ${what}${who}${description === null ? '' : `: ${escaped(description)}`}`;
};

export const slack = kindOf({
  kind: 'slack',
  fields: {
    /** Whoever has it can write to the channel: as it is, it would be in the event that a change of the sink appends. */
    url: secret,
    events_max: v.optional(count(1, 100), 20),
  },
  open(spec, { reach }) {
    return {
      limits: { events_max: spec.events_max, bytes_max: 100_000 },
      by_range: false,
      line: sentence,
      async send({ lines, signal }) {
        let shown = lines.length;
        const textOf = (n: number) => {
          const more = lines.length - n;
          return [...lines.slice(0, n), ...(more > 0 ? [`… and ${more} more`] : [])].join('\n');
        };
        while (shown > 1 && textOf(shown).length > text_chars_max) shown -= 1;
        const body = JSON.stringify({ text: textOf(shown).slice(0, text_chars_max).toWellFormed() });
        const headers = { 'content-type': 'application/json' };
        const answer = await ask(reach, spec.url, { method: 'POST', headers, body, signal });
        return isAnswer(answer) ? verdictOf(answer) : answer;
      },
    };
  },
});
