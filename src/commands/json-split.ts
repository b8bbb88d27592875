/**
 * Cuts a JSON file into its records without holding it whole. It knows only strings and nesting; JSON.parse judges
 * every piece, so that a record is read exactly as the service reads a request. (@streamparser/json 0.0.26 drops
 * U+FEFF from texts: a log must not.)
 */

/** A record, or a document that was read whole, and the line on which it starts. */
export type Piece = { value: unknown; whole: boolean; line: number };

const outsideStrings = /[[\]{},"]/g;
const insideStrings = /["\\]/g;
const breaks = (text: string) => text.split('\n').length - 1;

/**
 * `push` takes the text as it comes and gives the records that it completes; `end` refuses what is left open. Both
 * throw a SyntaxError, and `taken` then holds the records before the fault. `depth_of_records` is 1 for the elements of
 * the first document, an array, and 2 for those of its first array, an envelope; all else is given document by document.
 */
export function jsonSplitter(depth_of_records: 1 | 2 | null) {
  let streamed = depth_of_records ?? Number.POSITIVE_INFINITY;
  let text = '';
  let at = 0;
  let from = 0;
  let depth = 0;
  let inString = false;
  let amongRecords = false;
  let n_records = 0;
  let line = 1;
  /** The document without the records that were given already: it must be JSON, too. */
  let outer = '';
  let taken: Piece[] = [];

  function cut(to: number): string {
    const piece = text.slice(from, to);
    from = to;
    return piece;
  }

  function record(last: boolean): void {
    const piece = cut(at - 1);
    const leading = piece.length - piece.trimStart().length;
    if (leading < piece.length || !last || n_records > 0)
      taken.push({ value: JSON.parse(piece), whole: false, line: line + breaks(piece.slice(0, leading)) });
    n_records += 1;
    line += breaks(piece);
  }

  function close(): void {
    if (amongRecords && depth < streamed) {
      record(true);
      amongRecords = false;
      streamed = Number.POSITIVE_INFINITY;
    }
    if (depth > 0) return;
    const skeleton = outer + cut(at);
    const value = JSON.parse(skeleton);
    // What was streamed has left its document empty behind.
    if (n_records === 0)
      taken.push({ value, whole: true, line: line + breaks(skeleton.slice(0, skeleton.search(/\S/))) });
    line += breaks(skeleton);
    [outer, n_records] = ['', 0];
  }

  function step(char: string): void {
    if (char === '"') inString = true;
    else if (char === '[' || char === '{') {
      depth += 1;
      if (depth !== streamed || char !== '[' || amongRecords) return;
      amongRecords = true;
      outer += cut(at);
    } else if (char === ']' || char === '}') {
      depth -= 1;
      close();
    } else if (amongRecords && depth === streamed) {
      record(false);
      from = at;
    }
  }

  return {
    push(more: string): Piece[] {
      text = text.slice(from) + more;
      at -= from;
      from = 0;
      taken = [];
      for (;;) {
        const search = inString ? insideStrings : outsideStrings;
        search.lastIndex = at;
        const found = search.exec(text);
        if (!found) break;
        at = found.index + 1;
        if (!inString) step(found[0]);
        else if (found[0] === '"') inString = false;
        else at += 1; // What follows a backslash closes nothing.
      }
      at = Math.max(at, text.length);
      return taken;
    },
    end(): void {
      taken = [];
      if (depth > 0 || text.slice(from).trim() !== '') throw new SyntaxError('it ends in the middle of a value');
    },
    /** The records of the push that threw. */
    taken: () => taken,
  };
}
