/** Metrics as text: Prometheus' own format 0.0.4, and OpenMetrics 1.0. */
import type { Histogram, Labels, Metric } from '../../http/metric.ts';

export type Format = 'prometheus' | 'openmetrics';

export const contentTypes: Record<Format, string> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

const weightOf = (parameters: string[]): number => {
  const weight = Number(parameters.find((text) => text.startsWith('q='))?.slice(2) ?? '1');
  return Number.isFinite(weight) ? weight : 0;
};

/** The format for an Accept header (RFC 9110 §12.5.1): OpenMetrics where it is named and not less welcome than text. */
export function formatFor(accept: string | undefined): Format {
  const weights = { openmetrics: 0, text: 0 };
  for (const part of (accept ?? '').toLowerCase().split(',')) {
    const [type = '', ...parameters] = part.split(';').map((text) => text.trim());
    const version = parameters.find((text) => text.startsWith('version='))?.slice('version='.length);
    if (type === 'application/openmetrics-text' && (version ?? '1.0.0') === '1.0.0')
      weights.openmetrics = Math.max(weights.openmetrics, weightOf(parameters));
    if (type === 'text/plain') weights.text = Math.max(weights.text, weightOf(parameters));
  }
  return weights.openmetrics > 0 && weights.openmetrics >= weights.text ? 'openmetrics' : 'prometheus';
}

/** Metrics without rows are left out. Rows of one metric must have different labels. */
export function expose(metrics: Metric[], format: Format): string {
  const text = metrics
    .filter(({ rows }) => rows.length > 0)
    .map((metric) => familyOf(metric, format))
    .join('');
  return format === 'openmetrics' ? `${text}# EOF\n` : text;
}

function familyOf(metric: Metric, format: Format): string {
  const { name, help, type } = metric;
  // OpenMetrics names the family without the suffix that its samples have.
  const family = format === 'openmetrics' && type === 'counter' ? name.replace(/_total$/, '') : name;
  const samples =
    metric.type === 'histogram'
      ? metric.rows.map(({ labels, value }) => histogramSamples(name, labels, value, format))
      : metric.rows.map(({ labels, value }) => sample(name, labels, value));
  return `# HELP ${family} ${escapeHelp(help, format)}\n# TYPE ${family} ${type}\n${samples.join('')}`;
}

function histogramSamples(
  name: string,
  labels: Labels = {},
  { bounds, counts, sum }: Histogram,
  format: Format,
): string {
  let cumulative = 0;
  const buckets = counts.map((n, i) => {
    cumulative += n;
    return sample(`${name}_bucket`, { ...labels, le: boundText(bounds[i], format) }, cumulative);
  });
  return buckets.join('') + sample(`${name}_sum`, labels, sum) + sample(`${name}_count`, labels, cumulative);
}

/** OpenMetrics writes whole bounds with a fraction (§ "Considerations: Canonical Numbers"), Prometheus' format without. */
function boundText(bound: number | undefined, format: Format): string {
  if (bound === undefined) return '+Inf';
  return format === 'openmetrics' && Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

function sample(name: string, labels: Labels = {}, value: number): string {
  const written = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return `${name}${written.length > 0 ? `{${written.join(',')}}` : ''} ${numberText(value)}\n`;
}

const numberText = (value: number): string =>
  Number.isFinite(value) || Number.isNaN(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';

const escapeLabel = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
const escapeHelp = (text: string, format: Format) =>
  format === 'openmetrics' ? escapeLabel(text) : text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
