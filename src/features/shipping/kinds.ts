/** The kinds of sinks. */
import { elasticsearch } from './elasticsearch.ts';
import type { Kind } from './kind.ts';
import { loki } from './loki.ts';
import { otlp } from './otlp.ts';
import { s3 } from './s3.ts';
import { slack } from './slack.ts';
import { splunk } from './splunk.ts';
import { webhook } from './webhook.ts';

export const kinds: readonly Kind[] = [elasticsearch, splunk, otlp, s3, webhook, loki, slack];

export const kindNamed = (name: unknown): Kind | undefined => kinds.find(({ kind }) => kind === name);
