/** Faults of a JSON text that JSON.parse does not report. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonTextFaults, numberFault } from '../../src/log/json-text.ts';

describe('a number', () => {
  it.each([
    ['0.1234567890123456789', 'more digits'],
    ['12345678901234.123456', 'more digits'],
    ['4503599627370496.3', 'more digits'],
    ['1e-400', 'more digits'],
    ['1e400', 'out of range'],
    ['-1e400', 'out of range'],
    ['9007199254740993', 'beyond 2^53'],
    ['123456789012345678901234567890', 'beyond 2^53'],
    ['-0', 'negative zero'],
    ['-0.00', 'negative zero'],
    ['-0e5', 'negative zero'],
  ])('%s is refused: %s', (written, reason) => {
    expect(numberFault(written)).toContain(reason);
  });

  it.each([
    '0',
    '0.1',
    '1.0',
    '1.50',
    '1e2',
    '1E+2',
    '-0.5',
    '0.10000000000000000',
    '100e-2',
    '5e-324',
    '1.7976931348623157e308',
    '9007199254740991',
    '2.2250738585072014e-308',
  ])('%s is accepted', (written) => {
    expect(numberFault(written)).toBeNull();
  });

  it('as JSON.stringify writes it is accepted, unless it is a negative zero', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(numberFault(JSON.stringify(value))).toBeNull();
      }),
    );
  });

  it('in decimals is accepted exactly when the double prints as the same value', () => {
    const scaled = (text: string) => {
      const [mantissa = '', exponent = '0'] = text.split('e');
      const [whole = '', fraction = ''] = mantissa.split('.');
      return BigInt(whole + fraction) * 10n ** BigInt(400 + Number(exponent) - fraction.length);
    };
    const digits = fc.stringMatching(/^[1-9][0-9]{0,20}(\.[0-9]{1,20})?$/);
    fc.assert(
      fc.property(digits, (written) => {
        expect(numberFault(written) === null).toBe(scaled(String(Number(written))) === scaled(written));
      }),
    );
  });
});

describe('a text', () => {
  it('that JSON.stringify writes has no fault', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value);
        if (!/(^|[[:,])-0([,\]}.]|$)/.test(text)) expect(jsonTextFaults(text)).toEqual([]);
      }),
    );
  });

  it.each([
    ['{"a":1,"a":1}', [['a']]],
    ['{"a":1,"\\u0061":2}', [['a']]],
    ['{"a":{"b":[{},{"c":1,"c":2}]}}', [['a', 'b', 1, 'c']]],
    ['[{"a":1},{"a":2}]', []],
    ['{"a":"\\"a\\":","b":"{\\"a\\":1,\\"a\\":2}"}', []],
    ['{"a":"1e400","b":"x\\\\","c":"-0"}', []],
    ['{ "a" : [ 1 , 1e400 ] , "b" : 1e400 }', [['a', 1], ['b']]],
    ['{"__proto__":1,"constructor":2}', []],
  ])('%s has its faults at %j', (text, paths) => {
    JSON.parse(text);
    expect(jsonTextFaults(text, 10).map(({ path }) => path)).toEqual(paths);
  });

  it('with a hostile depth or number of keys is read within the time limit', () => {
    const deep = `${'['.repeat(400_000)}1e400${']'.repeat(400_000)}`;
    const wide = `{${Array.from({ length: 80_000 }, (_, i) => `"k${i}":${i}`).join(',')},"k7":1}`;
    const started = Date.now();
    expect(jsonTextFaults(deep)).toHaveLength(1);
    expect(jsonTextFaults(wide).map(({ path }) => path)).toEqual([['k7']]);
    expect(Date.now() - started).toBeLessThan(5_000);
  });
});
