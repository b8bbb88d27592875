/** The service's own log, for the operator: lines of JSON, or text where the output is a terminal. */
import { isTransient } from '../http/problem.ts';
import type { About } from '../parts.ts';

export type Level = 'info' | 'warn' | 'error';

/** A line. `text` is what a terminal shows of it in place of `what`. */
export type Line = { level: Level; what: string; text?: string; more?: Record<string, unknown> };

/** workerd has no terminal, and its `process` no output. */
const { stdout } = (globalThis as { process?: { stdout?: { isTTY?: boolean } } }).process ?? {};
const isTerminal = stdout?.isTTY === true;

export const jsonOf = ({ level, what, more }: Line, time = new Date()): string =>
  JSON.stringify({ time: time.toISOString(), level, what, ...more });

/** The same for people: what the operator needs first, then the rest, each on a line of its own. */
export function textOf({ level, what, text, more = {} }: Line, time = new Date()): string {
  if (text !== undefined) return text;
  if (level === 'info') return what;
  const { message, cause, at, ...others } = more;
  const rest = Object.entries({ cause, ...others }).filter(([, value]) => value !== undefined);
  return [
    `${time.toISOString().replace('T', ' ').slice(0, 19)} ${level}: ${what}${message === undefined ? '' : `: ${message}`}`,
    ...rest.map(([name, value]) => `    ${name}: ${value}`),
    ...(Array.isArray(at) ? at.map((place) => `    ${place}`) : []),
  ].join('\n');
}

/** Writes a line: information to stdout, all else to stderr. */
export function log(line: Line): void {
  const text = isTerminal ? textOf(line) : jsonOf(line);
  if (line.level === 'info') console.log(text);
  else console.error(text);
}

/**
 * Writes an internal error. Of a failed statement it has the cause and the stack but not the parameters, which are the
 * events' content. What is tried again and may succeed is a warning.
 */
export function report(what: string, error: unknown, { level, ...ids }: About = {}): void {
  const { message, cause, stack } = error instanceof Error ? error : new Error(String(error));
  log({
    level: level ?? (isTransient(error) ? 'warn' : 'error'),
    what,
    more: {
      ...ids,
      message: message.split('\nparams:')[0]?.slice(0, message_chars_max),
      ...(cause !== undefined && { cause: String(cause) }),
      at: stack
        ?.split('\n')
        .filter((text) => text.startsWith('    at '))
        .map((text) => text.trim()),
    },
  });
}

const message_chars_max = 500;
