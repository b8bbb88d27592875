/** What people may change of the service, sinks, rules and boards: from its own pages alone, and each change is an event of the log. */
import type { Context } from 'hono';
import * as v from 'valibot';
import { Problem } from '../http/problem.ts';
import { jsonOf, readText } from '../http/request.ts';
import type { Deliveries } from '../log/delivery-rows.ts';
import { type Metadata, type NewEntry, own_service, readEntry } from '../log/entry.ts';
import { refusal } from '../log/filter-text.ts';
import { type Env, isSameOrigin, type Parts } from '../parts.ts';

const nameForm = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const form_bytes_max = 65_536;

/**
 * Refuses changes from pages other than our own, those of `CORS_ORIGINS` among them: a browser sends its cached credentials
 * with what any page asks. A client that is no browser names no origin, and sends credentials of its own.
 */
export function demandOwnPage(c: Context, { limits }: Parts): void {
  const isNoBrowser = !c.req.header('origin') && !c.req.header('sec-fetch-site') && c.req.header('authorization');
  if (!isNoBrowser && !isSameOrigin(c, limits))
    throw new Problem(403, 'Nothing is changed from the pages of other sites.');
}

/** The name in the address of a request, or in a form. */
export function nameOf(c: Context, what: 'sink' | 'rule' | 'board', name = c.req.param('name') ?? ''): string {
  if (!nameForm.test(name))
    throw new Problem(
      400,
      `The name of a ${what} has at most 63 small letters, digits, _ and -, and begins with a letter or digit.`,
    );
  return name;
}

/**
 * The body of a change as JSON, `{}` where there is none. Also where nothing is asked for the body is read: workerd resets
 * the connection of a request that was not.
 */
export async function bodyOf(c: Context<Env>, parts: Parts): Promise<unknown> {
  demandOwnPage(c, parts);
  const text = await readText(c, parts.limits.BODY_BYTES_MAX);
  return text.trim() === '' ? {} : jsonOf(text);
}

/** What a schema makes of a JSON object. Throws a 400 that names each field and its fault. */
export function checked<S extends v.StrictObjectSchema<v.ObjectEntries, undefined>>(
  schema: S,
  body: unknown,
  what: string,
): v.InferOutput<S> {
  // valibot takes an array for an object.
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Problem(400, `The body must be a JSON object: ${what}.`);
  const result = v.safeParse(schema, body);
  if (result.success) return result.output;
  throw refusal(
    result.issues.map(({ path, expected, received, message }) => ({
      field: (path ?? []).map((step) => String(step.key)).join('.'),
      reason: expected === 'never' ? `is not a field of ${what}` : received === 'undefined' ? 'is required' : message,
    })),
  );
}

/** A whole number within bounds. */
export const whole = (min: number, max: number) => {
  const reason = `must be a whole number from ${min} to ${max}`;
  return v.pipe(
    v.number(reason),
    v.check((n) => Number.isInteger(n) && n >= min && n <= max, reason),
  );
};

/** The fields of a form. */
export async function formOf(c: Context<Env>, parts: Parts): Promise<URLSearchParams> {
  demandOwnPage(c, parts);
  return new URLSearchParams(await readText(c, form_bytes_max));
}

export type Change = (
  deliveries: Deliveries,
) => Promise<{ type: string; description: string; metadata?: Metadata } | null>;

/** Changes a sink or a rule, says so in the log in the same commit, and wakes whoever runs it. */
export async function changeReader(
  c: Context<Env>,
  { store, tail, outbound }: Parts,
  entity_type: 'sink' | 'rule',
  name: string,
  change: Change,
): Promise<void> {
  const id = await store.changeDeliveries(async (deliveries) => {
    const did = await change(deliveries);
    return did && eventOf(c, entity_type, name, did);
  });
  if (id !== null) tail.notifyAppended(id);
  outbound.wake();
}

/** Appends the event of a change that is kept nowhere else. */
export async function recordChange(
  c: Context<Env>,
  { store, tail }: Parts,
  entity_type: 'board',
  name: string,
  did: NonNullable<Awaited<ReturnType<Change>>>,
): Promise<void> {
  const [appended] = await store.append([eventOf(c, entity_type, name, did)]);
  if (appended) tail.notifyAppended(appended.entry.id);
}

function eventOf(
  c: Context<Env>,
  entity_type: string,
  entity_id: string,
  { type: event_type, description, metadata = {} }: NonNullable<Awaited<ReturnType<Change>>>,
): NewEntry {
  const { name: user_id } = c.get('principal');
  const read = readEntry({ event_type, entity_type, entity_id, user_id, description, metadata, service: own_service });
  if ('faults' in read)
    throw new Problem(400, read.faults.map(({ field, reason }) => `${field}: ${reason}`).join('; '));
  return read.entry;
}
