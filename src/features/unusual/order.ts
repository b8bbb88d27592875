/**
 * How many bits the order of the events of a group costs: prediction by partial matching of order 2 with escape method C, as
 * in surprise.ts, over the words that there are, with the beginning and the end of a group as words of their own.
 */

/** How often each word came after a context: their sum and how many they are. */
type Context = { n: number; distinct: number; words: Record<string, number> };

export type Order = {
  /** The numbers of the words. */
  words: Record<string, number>;
  /** By the numbers of the words before, which are joined with commas. */
  contexts: Record<string, Context>;
  n_contexts: number;
};

const begin = 0;
const end = 1;
const words_max = 500;
const contexts_max = 2_000;

export const newOrder = (): Order => ({ words: {}, contexts: {}, n_contexts: 0 });

/** The number of a word; words beyond the first 500 are one. */
export function numberOf({ words }: Order, word: string): number {
  const key = `w:${word}`;
  const known = words[key];
  if (known !== undefined) return known;
  const n = Object.keys(words).length;
  if (n >= words_max) return words_max + 2;
  words[key] = n + 2;
  return n + 2;
}

const keysOf = (before: number, last: number) => [`c:${before},${last}`, `c:${last}`, 'c:'];

function bitsOf({ contexts, words }: Order, before: number, last: number, word: number): number {
  let p = 1;
  for (const key of keysOf(before, last)) {
    const context = contexts[key];
    if (!context) continue;
    const seen = context.words[`w${word}`];
    if (seen !== undefined) return -Math.log2((p * seen) / (context.n + context.distinct));
    p *= context.distinct / (context.n + context.distinct);
  }
  return -Math.log2(p / (Object.keys(words).length + 2));
}

export type Judged = { mean: number; worst: { at: number; bits: number } };

/** The mean bits of a word of a group, and the place of the most surprising one. `isWhole`: it has ended. */
export function judgeOrder(order: Order, numbers: readonly number[], isWhole: boolean): Judged {
  let [before, last, sum] = [begin, begin, 0];
  const worst = { at: 0, bits: 0 };
  const all = isWhole ? [...numbers, end] : numbers;
  for (const [at, word] of all.entries()) {
    const bits = bitsOf(order, before, last, word);
    sum += bits;
    if (bits > worst.bits) Object.assign(worst, { at, bits });
    [before, last] = [last, word];
  }
  return { mean: all.length === 0 ? 0 : sum / all.length, worst };
}

export function learnOrder(order: Order, numbers: readonly number[], isWhole: boolean): void {
  let [before, last] = [begin, begin];
  for (const word of isWhole ? [...numbers, end] : numbers) {
    for (const key of keysOf(before, last)) learnWord(order, key, `w${word}`);
    [before, last] = [last, word];
  }
  if (order.n_contexts > contexts_max) forgetRare(order);
}

function learnWord(order: Order, key: string, word: string): void {
  let context = order.contexts[key];
  if (!context) {
    context = { n: 0, distinct: 0, words: {} };
    order.contexts[key] = context;
    order.n_contexts += 1;
  }
  const seen = context.words[word];
  context.n += 1;
  if (seen === undefined) context.distinct += 1;
  context.words[word] = (seen ?? 0) + 1;
}

/** Halves all counts: what was seen once is forgotten. */
function forgetRare(order: Order): void {
  for (const [key, context] of Object.entries(order.contexts)) {
    context.n = 0;
    context.distinct = 0;
    for (const [word, n] of Object.entries(context.words)) {
      const half = n >> 1;
      if (half === 0) delete context.words[word];
      else {
        context.words[word] = half;
        context.n += half;
        context.distinct += 1;
      }
    }
    if (context.distinct > 0) continue;
    delete order.contexts[key];
    order.n_contexts -= 1;
  }
}
