/**
 * How many bits a symbol costs after the two before it: prediction by partial matching of order 2 with escape method C
 * (Moffat, "Implementing the PPM data compression scheme", 1990), without exclusion, which costs ten points of NAB.
 */
export const n_symbols = 15;

export type Surprise = {
  /** The bits of the next symbol, from 0 to n_symbols − 1; then it is learned. */
  bits(symbol: number): number;
};

export function createSurprise(): Surprise {
  // Of each context the counts of its symbols, their sum and the number of those that were seen: one row of 17 numbers.
  const width = n_symbols + 2;
  const contexts = 1 + n_symbols + n_symbols * n_symbols;
  const counts = new Uint32Array(contexts * width);
  let last = n_symbols >> 1;
  let before = last;

  function learn(row: number, symbol: number): void {
    const seen = counts[row + symbol] ?? 0;
    counts[row + symbol] = seen + 1;
    counts[row + n_symbols] = (counts[row + n_symbols] ?? 0) + 1;
    if (seen === 0) counts[row + n_symbols + 1] = (counts[row + n_symbols + 1] ?? 0) + 1;
  }

  return {
    bits(symbol) {
      const rows = [(1 + n_symbols + before * n_symbols + last) * width, (1 + last) * width, 0];
      let p = 1;
      let isKnown = false;
      for (const row of rows) {
        const n = counts[row + n_symbols] ?? 0;
        if (!isKnown && n > 0) {
          const seen = counts[row + symbol] ?? 0;
          const distinct = counts[row + n_symbols + 1] ?? 0;
          isKnown = seen > 0;
          p *= (isKnown ? seen : distinct) / (n + distinct);
        }
        learn(row, symbol);
      }
      before = last;
      last = symbol;
      return -Math.log2(isKnown ? p : p / n_symbols);
    },
  };
}
