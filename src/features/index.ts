/** The features: capabilities that read the log, a folder each. This list is the only place that names them. */
import type { App, Parts } from '../parts.ts';

export type Feature = {
  name: string;
  /** Adds its routes. */
  routes(app: App, parts: Parts): void;
};

export const features: readonly Feature[] = [];
