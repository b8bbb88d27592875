/** The features: capabilities that read the log, a folder each. This list is the only place that names them. */
import type { Feature } from '../parts.ts';
import { alerts } from './alerts/feature.ts';
import { boards } from './boards/feature.ts';
import { digests } from './digests/feature.ts';
import { entities } from './entities/feature.ts';
import { metrics } from './metrics/feature.ts';
import { patterns } from './patterns/feature.ts';
import { proof } from './proof/feature.ts';
import { sinks } from './shipping/feature.ts';
import { status } from './status/feature.ts';
import { traces } from './traces/feature.ts';
import { unusual } from './unusual/feature.ts';
import { visits } from './visits/feature.ts';

/** In the order of the menu. */
export const features: readonly Feature[] = [
  boards,
  visits,
  unusual,
  patterns,
  digests,
  alerts,
  sinks,
  proof,
  status,
  metrics,
  traces,
  entities,
];
