/** The path of a metadata filter, `metadata.order.status` or `metadata."http.status_code"`, and the objects it can mean. */

export const metadataPrefix = 'metadata.';

export const pathLimits = {
  metadata_path_depth_max: 10,
  /** A path with n dots outside quotes has 2^n readings, and each costs one lookup in the index. */
  metadata_readings_max: 64,
} as const;

/** One step: a key in quotes, with `\"` and `\\`, or a text that does not begin with a quote. */
type Step = { key: string; quoted: boolean };

const stepForm = /"((?:[^"\\]|\\["\\])*)"(?:\.|$)|([^".][^.]*)(?:\.|$)/y;

function stepsOf(parameter: string): Step[] | null {
  const path = parameter.slice(metadataPrefix.length);
  const steps: Step[] = [];
  let at = 0;
  while (at < path.length) {
    stepForm.lastIndex = at;
    const [step, quoted, bare] = stepForm.exec(path) ?? [];
    if (step === undefined) return null;
    steps.push({ key: quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '', quoted: quoted !== undefined });
    at += step.length;
  }
  return steps.length === 0 || path.endsWith('.') ? null : steps;
}

/** A key as one step of a path, in quotes where it needs them. */
export const metadataStep = (key: string): string =>
  /^[^."][^.]*(?<!!)$/.test(key) ? key : `"${key.replace(/["\\]/g, '\\$&')}"`;

/** Why a path cannot be used in a filter, or null. */
export function pathFault(parameter: string): string | null {
  const steps = stepsOf(parameter);
  if (!steps) return 'must name a path, such as metadata.order.status or metadata."http.status_code"';
  const { metadata_path_depth_max, metadata_readings_max } = pathLimits;
  if (steps.length > metadata_path_depth_max) return `must be at most ${metadata_path_depth_max} steps deep`;
  return readingsOf(parameter).length > metadata_readings_max
    ? 'has too many dots to be found both as steps and as keys with dots: put each key in quotes'
    : null;
}

/**
 * The paths of keys that a parameter can mean. A dot between two steps without quotes may also be a part of the key:
 * `a.b` is `{"a":{"b":…}}` and `{"a.b":…}`.
 */
export function readingsOf(parameter: string): string[][] {
  const [first, ...rest] = stepsOf(parameter) ?? [];
  if (!first) return [];
  let readings = [[first.key]];
  let previous = first;
  for (const step of rest) {
    const joins = !step.quoted && !previous.quoted && readings.length <= pathLimits.metadata_readings_max;
    readings = readings.flatMap((path) => [
      [...path, step.key],
      ...(joins ? [[...path.slice(0, -1), `${path.at(-1)}.${step.key}`]] : []),
    ]);
    previous = step;
  }
  return readings;
}
