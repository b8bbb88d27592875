/**
 * Splits a JSON file into its records in constant memory. It tracks only strings and nesting; JSON.parse parses every
 * piece, so that a record is read exactly as the service reads a request. (@streamparser/json 0.0.26 is not used
 * because it drops U+FEFF from strings.)
 */
import { type JsonTextFault, jsonTextFaults } from '../log/json-text.ts';

/** A record, or a document that was not streamed (`whole`), the line on which it starts, and what JSON.parse changed. */
export type Piece = { value: unknown; whole: boolean; line: number; fault: JsonTextFault | null };

const outsideStrings = /[[\]{},"]/g;
const insideStrings = /["\\]/g;
const breaks = (text: string) => text.split('\n').length - 1;

/** Parses a piece. Throws a SyntaxError. The check for changes is second: it needs a valid text. */
function parse(text: string): Pick<Piece, 'value' | 'fault'> {
  const value: unknown = JSON.parse(text);
  return { value, fault: jsonTextFaults(text)[0] ?? null };
}

/**
 * `push` takes a piece of the text and returns the records that it completes; `end` refuses an unfinished document. Both
 * throw a SyntaxError, and `completed` then returns the records before the error. `depth_of_records` is 1 when the first
 * document is an array of records, and 2 when it is an object whose first array has the records. Every other document
 * is returned whole.
 */
export function jsonSplitter(depth_of_records: 1 | 2 | null) {
  let record_depth = depth_of_records ?? Number.POSITIVE_INFINITY;
  let text = '';
  let at = 0;
  let from = 0;
  let depth = 0;
  let inString = false;
  let inRecords = false;
  let n_records = 0;
  let line = 1;
  /** The document without the records that were already returned: it must be JSON, too. */
  let outer = '';
  let completed: Piece[] = [];

  function takePiece(to: number): string {
    const piece = text.slice(from, to);
    from = to;
    return piece;
  }

  function record(last: boolean): void {
    const piece = takePiece(at - 1);
    const leading = piece.length - piece.trimStart().length;
    if (leading < piece.length || !last || n_records > 0)
      completed.push({ ...parse(piece), whole: false, line: line + breaks(piece.slice(0, leading)) });
    n_records += 1;
    line += breaks(piece);
  }

  function close(): void {
    if (inRecords && depth < record_depth) {
      record(true);
      inRecords = false;
      record_depth = Number.POSITIVE_INFINITY;
    }
    if (depth > 0) return;
    const skeleton = outer + takePiece(at);
    const parsed = parse(skeleton);
    // The records of a streamed document were returned one by one.
    if (n_records === 0)
      completed.push({ ...parsed, whole: true, line: line + breaks(skeleton.slice(0, skeleton.search(/\S/))) });
    line += breaks(skeleton);
    [outer, n_records] = ['', 0];
  }

  function step(char: string): void {
    if (char === '"') inString = true;
    else if (char === '[' || char === '{') {
      depth += 1;
      if (depth !== record_depth || char !== '[' || inRecords) return;
      inRecords = true;
      outer += takePiece(at);
    } else if (char === ']' || char === '}') {
      depth -= 1;
      close();
    } else if (inRecords && depth === record_depth) {
      record(false);
      from = at;
    }
  }

  return {
    push(more: string): Piece[] {
      text = text.slice(from) + more;
      at -= from;
      from = 0;
      completed = [];
      for (;;) {
        const search = inString ? insideStrings : outsideStrings;
        search.lastIndex = at;
        const found = search.exec(text);
        if (!found) break;
        at = found.index + 1;
        if (!inString) step(found[0]);
        else if (found[0] === '"') inString = false;
        else at += 1; // An escaped quote does not end the string.
      }
      at = Math.max(at, text.length);
      return completed;
    },
    end(): void {
      completed = [];
      if (depth > 0 || text.slice(from).trim() !== '') throw new SyntaxError('the file ends inside a value');
    },
    /** The records that the push which threw had completed. */
    completed: () => completed,
  };
}
