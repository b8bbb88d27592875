/** A filter as a person writes it into a sink or a rule. */
import { type Fault, Problem } from '../http/problem.ts';
import { readFilter } from './filter.ts';
import { readSyntax } from './syntax.ts';

/** A 400 that names each field and its fault. */
export const refusal = (errors: Fault[]) =>
  new Problem(400, errors.map(({ field, reason }) => `${field}: ${reason}`).join('; '), { errors });

/**
 * A filter as a query string, or as a line of the search, as the one query string that means the same. Throws a 400 that
 * names the field.
 */
export function readFilterText(text: string, field = 'filter'): string {
  try {
    if (/^[^\s:"]+=/.test(text) || text === '') return readFilter(new URLSearchParams(text)).key;
    const { query, faults } = readSyntax(text);
    if (faults.length > 0) throw refusal(faults.map(({ word, reason }) => ({ field, reason: `${word}: ${reason}` })));
    return readFilter(query).key;
  } catch (error) {
    if (error instanceof Problem && error.errors?.every((fault) => fault.field !== field))
      throw refusal(error.errors.map((fault) => ({ field, reason: `${fault.field}: ${fault.reason}` })));
    throw error;
  }
}
