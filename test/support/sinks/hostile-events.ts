/** Events made of what parsers trip over, from a seed. */
import { seeded } from './far-side.ts';

const pieces = [
  ...[
    '"',
    "'",
    '\\',
    ']',
    '[',
    '\\]',
    '\\"',
    '\\\\',
    '=',
    '|',
    '<110>1 ',
    '- - -',
    '[a b="c"]',
    'CEF:0|a|b|',
    '%s%n',
    '$MSG $(echo)',
  ],
  ...[
    '\n',
    '\r\n',
    '\r',
    '\t',
    ' ',
    '   ',
    '\u0001',
    '\u001b[31m',
    '\u007f',
    '\u0085',
    '\u00a0',
    '\u2028',
    '\u202e',
    '#012',
  ],
  ...[
    'ü',
    'é',
    '漢字',
    'ñ\u0303',
    '😀',
    '👩‍👩‍👧',
    '\u{10ffff}',
    'ﷺ',
    '\ufffd',
    'a',
    'word',
    '0',
    '{"a":1}',
    '&lt;',
    '/',
  ],
] as const;

/** Events of a service; each tenth has metadata of up to some 50 KB, each seventh a description of up to 10,000 characters. */
export function hostileEvents(n: number, seed: number, service: string) {
  const random = seeded(seed);
  const below = (max: number) => Math.floor(random() * max);
  const text = (chars_max: number): string => {
    let made = '';
    for (let i = below(12); i >= 0; i -= 1) made += pieces[below(pieces.length)];
    return [...made].slice(0, chars_max).join('');
  };
  const long = (chars: number): string => {
    const some = text(200);
    return [...some.repeat(Math.ceil(chars / some.length))].slice(0, chars).join('');
  };
  const perhaps = (value: () => string): string | null => (random() < 0.3 ? null : value());
  return Array.from({ length: n }, (_, i) => ({
    event_type: `T${text(200)}`,
    entity_type: `E${text(200)}`,
    entity_id: perhaps(() => text(200)),
    user_id: perhaps(() => text(200)),
    description: perhaps(() => (i % 7 === 0 ? long(below(9_999) + 1) : text(1_000))),
    metadata:
      random() < 0.3
        ? null
        : { [text(50)]: i % 10 === 0 ? long(below(9_000) + 1) : text(500), list: [1.5, null, text(9)] },
    ip_address: random() < 0.5 ? null : i % 2 === 0 ? '192.0.2.7' : '2001:db8::7',
    user_agent: perhaps(() => text(500)),
    trace_id: perhaps(() => text(30)),
    session_id: perhaps(() => text(100)),
    service,
  }));
}
