/** A streaming CSV parser (RFC 4180) that accepts every mixture of line ends, and the separator of a file. */

/** A row and the line of the file on which it starts; `fault` says why it is not CSV. */
export type CsvRow = { cells: string[]; line: number; fault: string | null };

/** Far above the limit of any field. Without it, a quote that is not closed would read the whole file into one cell. */
const cell_chars_max = 1_000_000;

const lineEnds = (text: string) => text.match(/\r\n|\r|\n/g)?.length ?? 0;

/**
 * A parser for one file: `push` takes the next piece of its text and returns the rows that it completes, `end` returns
 * the last row. Outside quotes CRLF, LF and CR each end a row, in any mixture; inside quotes they are text. A quote
 * inside an unquoted cell is text. (PapaParse, which writes our CSV, reads only one kind of line end per file.)
 */
export function csvParser(separator: string) {
  const special = new RegExp(`[\r\n${separator.replace(/[\\\]^-]/, '\\$&')}]`, 'g');
  let state: 'start' | 'unquoted' | 'quoted' | 'closed' = 'start';
  let cells: string[] = [];
  let cell = '';
  let fault: string | null = null;
  let endedByCr = false;
  let line = 1;
  let rows: CsvRow[] = [];

  function endCell(): void {
    cells.push(cell);
    [cell, state] = ['', 'start'];
  }
  function endRow(): void {
    endCell();
    rows.push({ cells, line, fault });
    line += 1 + cells.reduce((sum, text) => sum + lineEnds(text), 0);
    [cells, fault] = [[], null];
  }
  /** Reads on from `at`; returns the position after what it has read. */
  function step(text: string, at: number): number {
    const char = text[at];
    if (state === 'quoted') {
      const quote = text.indexOf('"', at);
      cell += text.slice(at, quote < 0 ? text.length : quote);
      if (quote >= 0) state = 'closed';
      return quote < 0 ? text.length : quote + 1;
    }
    if (char === '"' && (state === 'start' || state === 'closed')) {
      // A quote after a closing quote: the two were one escaped quote.
      if (state === 'closed') cell += char;
      state = 'quoted';
    } else if (char === separator) endCell();
    else if (char === '\r' || char === '\n') {
      if (char === '\r' || !endedByCr) endRow();
      endedByCr = char === '\r';
    } else {
      special.lastIndex = at;
      const end = special.exec(text)?.index ?? text.length;
      const part = text.slice(at, end);
      // Blanks between a closing quote and the separator are no text of the cell.
      if (state !== 'closed') [cell, state] = [cell + part, 'unquoted'];
      else if (part.trim() !== '') fault ??= 'text follows a closing quote';
      return end;
    }
    return at + 1;
  }

  return {
    push(text: string): CsvRow[] {
      rows = [];
      for (let at = 0; at < text.length; ) {
        if (text[at] !== '\n' && text[at] !== '\r') endedByCr = false;
        at = step(text, at);
      }
      if (cell.length > cell_chars_max) {
        fault ??= `a cell has more than ${cell_chars_max.toLocaleString('en')} characters; is a quote not closed?`;
        endRow();
      }
      return rows;
    },
    end(): CsvRow[] {
      rows = [];
      if (state === 'quoted') fault ??= 'a quote is not closed';
      if (cells.length > 0 || state !== 'start') endRow();
      return rows;
    },
  };
}

/**
 * The separator of a file by its first characters: the one that a first line `sep=…` names, which spreadsheets write,
 * else the comma, semicolon or tab that the header contains most often.
 */
export function separatorOf(start: string): { separator: string; is_named: boolean } {
  const named = /^"?sep=([^"\r\n])"?[\r\n]/i.exec(start)?.[1];
  if (named) return { separator: named, is_named: true };
  const header = start.replace(/"[^"]*"?/g, 'quoted').match(/^[^\S\t]*[^\r\n]*\S[^\r\n]*/)?.[0] ?? '';
  const count = (char: string) => header.split(char).length;
  const separator = [',', ';', '\t'].reduce((best, char) => (count(char) > count(best) ? char : best));
  return { separator, is_named: false };
}
