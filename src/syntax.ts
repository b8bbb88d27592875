/** The filter as one line of text, `user:ana -type:DELETE order "late delivery"`: read into parameters, and written. */
import type { Term } from './filter.ts';

/** What in the line cannot be asked: the word as it stands there, and why. */
export type SyntaxFault = { word: string; reason: string };

/** The parameters that a line means, for readFilter, and what in it means none. Ask nothing while there is a fault. */
export function readSyntax(_text: string): { query: URLSearchParams; faults: SyntaxFault[] } {
  return { query: new URLSearchParams(), faults: [] };
}

/** Terms as a line that reads back as the same terms. */
export function writeSyntax(_terms: Term[]): string {
  return '';
}
