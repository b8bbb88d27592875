/** The text of metrics: both formats, their escapes, and which one an Accept header asks for. */
import { describe, expect, it } from 'vitest';
import { expose, formatFor } from '../../../src/features/metrics/exposition.ts';
import { createHistogram, type Metric, observe } from '../../../src/http/metric.ts';

const seconds = createHistogram([0.5, 1]);
for (const value of [0.1, 0.5, 0.6, 1, 3]) observe(seconds, value);

const metrics: Metric[] = [
  { name: 'a_total', help: 'With \\ and "quotes"\nand a line', type: 'counter', rows: [{ value: 7 }] },
  { name: 'b', help: 'B', type: 'gauge', rows: [{ labels: { x: 'a"b\\c\nd', y: '' }, value: Number.NaN }] },
  { name: 'c_seconds', help: 'C', type: 'histogram', rows: [{ labels: { route: '/' }, value: seconds }] },
  { name: 'd', help: 'Nothing', type: 'gauge', rows: [] },
];

describe('the format of Prometheus', () => {
  it('has each metric once, with its help, its type and its rows', () => {
    expect(expose(metrics, 'prometheus').split('\n')).toEqual([
      '# HELP a_total With \\\\ and "quotes"\\nand a line',
      '# TYPE a_total counter',
      'a_total 7',
      '# HELP b B',
      '# TYPE b gauge',
      'b{x="a\\"b\\\\c\\nd",y=""} NaN',
      '# HELP c_seconds C',
      '# TYPE c_seconds histogram',
      'c_seconds_bucket{route="/",le="0.5"} 2',
      'c_seconds_bucket{route="/",le="1"} 4',
      'c_seconds_bucket{route="/",le="+Inf"} 5',
      'c_seconds_sum{route="/"} 5.2',
      'c_seconds_count{route="/"} 5',
      '',
    ]);
  });
});

describe('OpenMetrics', () => {
  it('names a counter without its suffix, writes whole bounds with a fraction, and ends with # EOF', () => {
    const lines = expose(metrics, 'openmetrics').split('\n');
    expect(lines.slice(0, 3)).toEqual([
      '# HELP a With \\\\ and \\"quotes\\"\\nand a line',
      '# TYPE a counter',
      'a_total 7',
    ]);
    expect(lines).toContain('c_seconds_bucket{route="/",le="1.0"} 4');
    expect(lines.slice(-2)).toEqual(['# EOF', '']);
  });
});

it.each([
  [undefined, 'prometheus'],
  ['*/*', 'prometheus'],
  ['text/html', 'prometheus'],
  ['text/plain', 'prometheus'],
  ['application/openmetrics-text', 'openmetrics'],
  ['Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8', 'openmetrics'],
  ['application/openmetrics-text;version=2.0.0', 'prometheus'],
  ['application/openmetrics-text;q=0', 'prometheus'],
  ['application/openmetrics-text;q=x', 'prometheus'],
  ['application/openmetrics-text;q=0.2,text/plain;q=0.5', 'prometheus'],
  // Prometheus 2.42, and 3.
  [
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
    'openmetrics',
  ],
  [
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
    'openmetrics',
  ],
])('Accept: %s gets %s', (accept, format) => {
  expect(formatFor(accept)).toBe(format);
});
