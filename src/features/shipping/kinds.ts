/** The kinds of sinks. */
import { elasticsearch } from './elasticsearch.ts';
import type { Kind } from './kind.ts';
import { webhook } from './webhook.ts';

export const kinds: readonly Kind[] = [elasticsearch, webhook];

export const kindNamed = (name: unknown): Kind | undefined => kinds.find(({ kind }) => kind === name);
