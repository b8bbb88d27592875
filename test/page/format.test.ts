/** Formatting of text: invisible characters are made visible, by Unicode property. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { visible, visibleJson, visibleText } from '../../src/page/format.ts';

describe('an invisible character becomes visible', () => {
  it.each([
    0x200b, 0x200c, 0x200d, 0x00ad, 0x2060, 0x061c, 0x00a0, 0xe0041, 0x202e, 0x2066, 0x180e, 0x3164, 0x115f, 0x2800,
    0x3000, 0x2003, 0xfeff, 0x034f, 0xfe0f, 0x0085, 0x0009, 0x000a, 0x2028,
  ])('U+%i', (code) => {
    const char = String.fromCodePoint(code);
    const shown = `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
    expect(visible(`an${char}a`)).toBe(`an${shown}a`);
  });

  it('leading, trailing and repeated blanks become visible', () => {
    expect([' ana', 'ana ', 'an  a', 'a n a', ' '].map(visible)).toEqual([
      '⟨U+0020⟩ana',
      'ana⟨U+0020⟩',
      'an ⟨U+0020⟩a',
      'a n a',
      '⟨U+0020⟩',
    ]);
  });

  it('an emoji and its parts are unchanged', () => {
    for (const emoji of ['❤️', '👩‍👩‍👧', '🏴󠁧󠁢󠁳󠁣󠁴󠁿', '1️⃣', '🇩🇪', '🦊']) expect(visible(`a${emoji}b`)).toBe(`a${emoji}b`);
  });

  it('text in other scripts is unchanged', () => {
    for (const text of ['日本語', 'Ünïcode', 'שלום', 'नमस्ते', 'שָׁלוֹם']) expect(visible(text)).toBe(text);
  });

  it('a text of several lines keeps its line breaks and tabs', () => {
    expect(visibleText('a\n\tb\u200bc\r')).toBe('a\n\tb⟨U+200B⟩c⟨U+000D⟩');
  });
});

it('different texts are formatted differently', () => {
  const character = fc.constantFrom('a', ' ', '\u200b', '\u00a0', '\u{e0041}', '\u200d', '\t', '👩', '\ufe0f');
  const text = fc.array(character, { maxLength: 6 }).map((all) => all.join(''));
  fc.assert(fc.property(text, text, (a, b) => (visible(a) === visible(b)) === (a === b)));
});

it('JSON with escaped invisible characters parses to the same value', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      const text = visibleJson({ value });
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify({ value })));
      expect(text.replaceAll('\n', '').replace(/\p{RGI_Emoji}/gv, '')).not.toMatch(/\p{Cc}|\p{Cf}/u);
    }),
  );
});
